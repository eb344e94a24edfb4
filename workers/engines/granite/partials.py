"""Partials, whose encoder passes run while segments are decoded."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ..base import Hypothesis
from .acoustic.block_cache import Window
from .finals.utterance import UtteranceState
from .interfaces import Encoder, OtherPartials, QueuedPass

Answer = tuple[UtteranceState, Hypothesis]


@dataclass(frozen=True, slots=True)
class _OpenPass:
    """An encoder pass that has been queued."""

    group: tuple[UtteranceState, ...]
    windows: tuple[Window, ...]
    queued: QueuedPass


class PartialPasses:
    """The encoder passes of partials that have been queued and not read yet."""

    def __init__(self, frontend: Encoder, others: OtherPartials | None) -> None:
        self._frontend, self._others = frontend, others
        self._open: deque[_OpenPass] = deque()

    def __len__(self) -> int:
        return sum(len(one.group) for one in self._open)

    @property
    def tickets(self) -> set[int]:
        """The tickets of utterances in these passes."""
        return {session.ticket for one in self._open for session in one.group}

    def begin(self, group: Sequence[UtteranceState]) -> list[Answer]:
        """Queue a pass for `group`.  Returns the answers to those that need none."""
        answers = [(one, Hypothesis()) for one in group if one.unreadable]
        group = [one for one in group if not one.unreadable]
        if self._others is not None:
            known = [one for one in group if one.utterance.language in self._others.languages]
            if known:
                found = self._others.encode([one.utterance for one in known])
                answers += zip(known, found, strict=True)
            group = [one for one in group if one.utterance.language not in self._others.languages]
        if group:
            windows = [
                self._frontend.window(one.utterance.key, one.utterance.samples) for one in group
            ]
            queued = self._frontend.begin([window.features for window in windows])
            self._open.append(_OpenPass(tuple(group), tuple(windows), queued))
        return answers

    def finished(self, *, wait_for_one: bool) -> list[Answer]:
        """Return the partials of passes that have ended; `wait_for_one`: wait for the oldest pass."""
        answers: list[Answer] = []
        while self._open and (wait_for_one or self._open[0].queued.ready):
            wait_for_one = False
            one = self._open.popleft()
            heard = one.queued.read()
            answers += [
                (session, self._frontend.partial(window, what))
                for session, window, what in zip(one.group, one.windows, heard, strict=True)
            ]
        return answers
