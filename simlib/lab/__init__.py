"""Floor 2: watching real clients, and telling their reconnect policies."""
