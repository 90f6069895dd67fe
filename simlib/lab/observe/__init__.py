"""What does a real client do?"""
