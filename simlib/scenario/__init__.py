"""What is played: scenarios, workloads, networks, presets."""
