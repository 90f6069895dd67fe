"""Which policy does a client have?"""
