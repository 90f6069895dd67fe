"""The design review: policies compared in scenarios, as one file to read and to check."""
