"""The studies, a folder for each question."""
