"""Explorers: sliders over a scenario, and charts that follow them, for notebooks."""
