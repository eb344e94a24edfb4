"""
A worker whose engine costs nothing and recites a text, one word for each 0.36 s of audio; as a process of its own.

For benchmarks of pages: partials grow as those of speech do, and finals repeat them.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cli.bench.servers.free_worker import run
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance

_TEXT = (
    "thank you for calling Acme I see your invoice here there was a second delivery in the same month "
    "so I will arrange the refund right away it takes three to five working days and you get an email"
)
_SAMPLES_PER_WORD = 5_760


class Reciter:
    """Recites, however the audio sounds."""

    capabilities = Capabilities("reciter", frozenset({"en"}), keywords=True, max_batch=64)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return the beginning of the text, longer for longer audio."""
        return [Hypothesis(self._words(len(one.samples))) for one in batch]

    def _words(self, samples: int) -> tuple[RecognisedWord, ...]:
        return tuple(map(RecognisedWord, _TEXT.split()[: max(1, samples // _SAMPLES_PER_WORD)]))


if __name__ == "__main__":
    run(Reciter())
