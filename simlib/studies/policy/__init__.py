"""What does a policy do, and what is wrong with it?"""
