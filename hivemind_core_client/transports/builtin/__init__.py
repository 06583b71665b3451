"""The built-in transports, as plugins; light, since every client loads them."""
