"""What plays a scenario."""
