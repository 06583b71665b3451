"""Kinds of handshake behind one interface; the hub's offer decides which one runs."""
