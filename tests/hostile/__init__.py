"""Peers and networks that do harm, and clients that must come through it."""
