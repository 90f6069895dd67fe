"""What happened: traces, their rows and counts, and which faults disrupt connections."""
