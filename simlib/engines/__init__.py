"""The engines: each plays a scenario and returns its trace."""
