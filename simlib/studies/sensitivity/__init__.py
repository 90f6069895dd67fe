"""Which settings matter?"""
