"""What the notebooks of the course need."""
