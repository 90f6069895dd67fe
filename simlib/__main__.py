"""The command line as ``python -m simlib``."""

from simlib.cli import main

main(prog_name="simlib")
