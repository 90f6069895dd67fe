"""The command line: from arguments to the public names, from results to words and files.

Results go to stdout, progress and notes to stderr. Whatever goes wrong is one sentence and a
status: 0 agreed or done, 1 disagreed or (lint) warned, 2 bad input, 3 an error that lint found, 130
interrupted (143 by SIGTERM, 129 by a terminal that was closed).
"""

from simlib.cli.app import main as main
