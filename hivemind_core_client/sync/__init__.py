"""The threads' shell: what waits on the thread that calls."""
