"""
Builds finals from finished texts in a separate thread.

Aligning the words of half a minute takes as long as several decode steps.  In the engine's thread, all running
segments would wait for it.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from ...base import Hypothesis
from ..text.decode import Written
from ..text.tokenizer import Tokens
from .utterance import SuspectKeyword, UtteranceState, conclude

Verdict = Hypothesis | SuspectKeyword


class AlignmentQueue:
    """Texts whose words are being aligned.  Called from the engine's thread; works in a thread of its own."""

    def __init__(self, tokens: Tokens, least_support: float, *, cut_loops: bool = True) -> None:
        self._tokens, self._least_support, self._cut_loops = tokens, least_support, cut_loops
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alignment")
        self._begun: dict[Future[Verdict], tuple[UtteranceState, Written]] = {}

    def __len__(self) -> int:
        return len(self._begun)

    def begin(self, session: UtteranceState, written: Written) -> None:
        """Start to align the words of a text.  Only the calling thread uses the device."""
        future = self._thread.submit(
            conclude, session, written, session.posteriors(), self._tokens, self._least_support,
            cut_loops=self._cut_loops,
        )  # fmt: skip
        self._begun[future] = session, written

    def finished(self, *, wait_for_one: bool) -> Iterator[tuple[UtteranceState, Written, Verdict]]:
        """The texts that are ready.  `wait_for_one`: block until at least one is ready, if any was begun."""
        if wait_for_one and self._begun:
            wait(self._begun, return_when=FIRST_COMPLETED)
        for future in [one for one in self._begun if one.done()]:
            session, written = self._begun.pop(future)
            yield session, written, future.result()
