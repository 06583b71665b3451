"""The built-in plugins, found through entry points like anyone's and marked `trylast`."""
