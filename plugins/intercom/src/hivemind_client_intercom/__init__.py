"""INTERCOM: messages from one node of the hive to another, which the hubs between them cannot read."""
