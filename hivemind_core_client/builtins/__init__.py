"""The built-in plugins, listed in plugins/builtin_plugins.py and marked `trylast`."""
