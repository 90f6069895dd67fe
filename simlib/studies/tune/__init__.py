"""Which policy should we ship?"""
