"""`hivemind-client`: the command line of hivemind-core-client, itself one of its plugins."""
