"""How does a run go, while it is played?"""
