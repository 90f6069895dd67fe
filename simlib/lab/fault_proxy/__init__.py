"""A proxy that any client and any server can have between them, and what it does to them."""
