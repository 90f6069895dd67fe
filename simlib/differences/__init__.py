"""Two versions of a scenario, a policy or a run: what surely changed, and by how much."""
