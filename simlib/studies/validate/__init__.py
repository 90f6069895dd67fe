"""Does simlib give what theory and published studies give?"""
