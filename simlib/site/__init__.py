"""A static page that plays simlib in a browser, with nothing to install or to load elsewhere."""
