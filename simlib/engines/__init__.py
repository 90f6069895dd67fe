"""Floor 1: what plays a scenario."""
