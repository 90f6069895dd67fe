"""The compiled engine for very many clients."""
