"""Who we are and where to: identity, keys, settings, TLS, profile."""
