"""The fleet's event loop: plain functions of numbers, records and arrays, which are compiled.

Read docs/kernel.md first: the life of an attempt, with a drawing.
"""
