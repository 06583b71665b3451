"""How the client is extended: the contract, the hooks, and the tables filled from them."""
