"""Formatting: turns the words of a final into the text that people would write, with numbers as digits."""
