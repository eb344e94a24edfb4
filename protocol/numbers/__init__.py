"""
Spoken numbers: finds the numbers in recognised words, in seven languages.

Pure. `tokens` splits words, `morphemes` and `grammar` read number words, `runs` joins the numbers that follow each
other. Two consumers: `protocol.redaction` and `protocol.formatting`.
"""
