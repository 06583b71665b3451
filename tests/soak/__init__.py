"""Clients of every kind at real hubs for an hour, while the hubs and the network between them fail."""
