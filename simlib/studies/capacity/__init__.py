"""What does it take to recover in time?"""
