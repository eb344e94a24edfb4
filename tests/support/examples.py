"""How many examples tests look at: few in `make check`, more in `make test-long`."""

import os

IS_LONG = bool(os.environ.get("TRUNKLINE_TEST_LONG"))


def examples(most: int) -> int:
    """`most` in a long run, otherwise a third of it."""
    return most if IS_LONG else -(-most // 3)
