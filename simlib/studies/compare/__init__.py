"""Does the simulation agree with a live run?"""
