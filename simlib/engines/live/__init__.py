"""The engine on real WebSockets."""
