"""The fleet's event loop: plain functions of numbers, records and arrays, which are compiled."""
