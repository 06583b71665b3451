"""What both shells share: the base of a client, handlers, waiters, the local bus."""
