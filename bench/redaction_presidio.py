"""
Mask texts with Presidio's recognisers of numbers; for `bench/redaction.py`, which runs it in its own environment.

Reads a JSON list of lists of texts, and writes the character spans that Presidio finds in each. No language model
is loaded: the recognisers of cards and IBANs are patterns with check digits, for every language.
"""

import json
import sys

from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer


def main() -> None:
    """Answer one question on standard input."""
    recognizers = [CreditCardRecognizer(), IbanRecognizer()]
    cases = json.load(sys.stdin)
    answer = [
        [
            [
                (found.start, found.end)
                for one in recognizers
                for found in one.analyze(text, one.supported_entities) or ()
            ]
            for text in texts
        ]
        for texts in cases
    ]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
