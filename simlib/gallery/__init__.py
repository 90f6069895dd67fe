"""The gallery: every chart, drawn from the scenarios that come with simlib."""
