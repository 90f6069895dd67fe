"""Writes the page: python -m simlib.site PYODIDE_FOLDER OUT_FOLDER; `make site` calls it."""

from __future__ import annotations

import sys

from simlib.site.build import build_site

if __name__ == "__main__":
    build_site(*sys.argv[1:3])
