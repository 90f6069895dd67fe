"""Commands about a policy: what it does, and what is wrong with it."""
