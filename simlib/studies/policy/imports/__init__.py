"""Import: the options of a real client become a policy."""
