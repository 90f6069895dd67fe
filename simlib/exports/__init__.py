"""Traces in the forms of other programs."""
