"""Which network do these pings show?"""
