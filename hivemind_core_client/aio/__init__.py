"""The asyncio shell: what waits on an event loop."""
