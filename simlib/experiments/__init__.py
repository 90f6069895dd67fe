"""Many runs: replicated, swept, played on all processors, and kept."""
