"""
The test set for redaction: spoken card numbers, security codes, and numbers that must stay readable.

Made by rules from random numbers: no recording and no data of a person is in it. The set, as `bench/redaction.py
--write` writes it, is under CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/): use it for any purpose.
"""
