"""Floor 2: turning traces into numbers, and numbers into verdicts."""
