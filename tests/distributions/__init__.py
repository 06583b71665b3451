"""What `make dist` has built: looked into, and installed into empty environments."""
