"""Watching real clients, and telling their reconnect policies."""
