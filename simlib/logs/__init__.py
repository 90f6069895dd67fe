"""Attempts that were really made, as servers, balancers, browsers and tables hold them."""
