"""
From finished texts to finals, beside the decode loop.

Aligning the words of half a minute takes as long as several decode steps, and everybody who is being written would
wait for it: so it has a thread of its own.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ...base import Hypothesis
from ..text.decode import Written
from ..text.tokenizer import Tokens
from .utterance import Session, SuspectKeyword, concluded

Verdict = Hypothesis | SuspectKeyword


class Conclusions:
    """Texts whose words are being placed.  Used from the engine's thread; the work is done in another."""

    def __init__(self, tokens: Tokens, least_support: float, *, cut_loops: bool = True) -> None:
        self._tokens, self._least_support, self._cut_loops = tokens, least_support, cut_loops
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alignment")
        self._begun: dict[Future[Verdict], tuple[Session, Written]] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, session: Session, written: Written) -> None:
        """Have the words of a text placed; only the thread that calls this ever touches the device."""
        future = self._thread.submit(
            concluded, session, written, session.posteriors(), self._tokens, self._least_support,
            cut_loops=self._cut_loops,
        )  # fmt: skip
        self._begun[future] = session, written

    def ended(self, *, patient: bool) -> Iterator[tuple[Session, Written, Verdict]]:
        """Those that are ready; when `patient`, at least one, if there is any."""
        if patient and self._begun:
            wait(self._begun, return_when=FIRST_COMPLETED)
        for future in [one for one in self._begun if one.done()]:
            session, written = self._begun.pop(future)
            yield session, written, future.result()
