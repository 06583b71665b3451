"""A binary protocol that a hub of the tests loads as its plugin: a copy of this package lies on the hub's path."""
