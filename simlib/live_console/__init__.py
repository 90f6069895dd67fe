"""A live run in a notebook: buttons break its network, beside a simulated twin."""
