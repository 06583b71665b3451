"""The built-in subcommands of `hivemind-client`. Each module is imported when one of its commands is used."""
