"""Find the capacity that lets the clients recover in time."""
