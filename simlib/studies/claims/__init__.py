"""When are the claims of a report true?"""
