"""Observe a real client."""
