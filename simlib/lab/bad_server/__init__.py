"""A server in trouble that a test switches at any moment."""
