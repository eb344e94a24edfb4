"""
The Granite engine: partials from the encoder's CTC head, finals from the language model.

It has two interfaces: `transcribe(batch)`, and `admit` with `step`, which accepts utterances while others are
decoded.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..base import (
    WITHHELD_TOO_SHORT,
    Capabilities,
    Effort,
    Hypothesis,
    Utterance,
)
from ..common.keyword_ranking import by_sound, in_order
from ..common.memory import is_out_of_memory, memory_error
from ..common.tickets import run_until_done
from .acoustic.mel import RATE
from .device import translate_device_errors
from .finals.alignment import AlignmentQueue
from .finals.utterance import SuspectKeyword, UtteranceState
from .finals.utterance_check import check_utterance
from .interfaces import Encoder, EngineOptions, OtherPartials, PromptBuilder, TextDecoder
from .partials import PartialPasses
from .text.decode import DecodeRow

SECONDS_AT_ONCE = 320.0
"""Audio in one pass of the encoder: enough to use a GPU fully, short enough that running segments wait little."""


class GraniteEngine:
    """A loaded Granite Speech model.  Used from one thread at a time."""

    def __init__(
        self, capabilities: Capabilities, rules: EngineOptions, frontend: Encoder,
        prompts: PromptBuilder, decoder: TextDecoder,
        others: OtherPartials | None = None,
    ) -> None:  # fmt: skip
        self._capabilities, self._rules = capabilities, rules
        self._frontend, self._prompts = frontend, prompts
        self._decoder = decoder
        self._passes = PartialPasses(frontend, others)
        self._rows = rules.max_rows
        self._next = 0
        self._waiting: deque[UtteranceState] = deque()
        self._writing: dict[int, UtteranceState] = {}
        self._alignments = AlignmentQueue(
            prompts.tokens, rules.least_support, cut_loops=rules.cut_loops
        )
        self._done: list[tuple[int, Hypothesis]] = []

    @property
    def capabilities(self) -> Capabilities:
        """See Engine."""
        return self._capabilities

    @property
    def rows(self) -> int:
        """Largest number of utterances processed at once.  Halved permanently whenever memory runs out."""
        return self._rows

    @property
    def pending(self) -> int:
        """Number of utterances that were admitted and not returned yet."""
        decoding = len(self._waiting) + len(self._writing) + len(self._alignments)
        return decoding + len(self._passes) + len(self._done)

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """
        Add utterances.  Returns one ticket for each, in order.

        Raises EngineError, and adds none, when one of them is at fault.
        """
        sessions = [self._session(utterance) for utterance in utterances]
        for session in sessions:
            session.ticket, self._next = self._next, self._next + 1
        self._waiting.extend(sessions)
        return [session.ticket for session in sessions]

    def step(self) -> list[tuple[int, Hypothesis]]:
        """
        Start waiting utterances and decode one more token for each running one.

        Returns the finished ones as (ticket, hypothesis).  Words are aligned to the audio in another thread, so a
        final follows a step or two after its last token.  Raises EngineBrokenError when the process must be
        restarted.
        """
        with translate_device_errors():
            self._start_waiting()
            self._decode()
            self._collect()
        finished, self._done = self._done, []
        return finished

    def discard(self, ticket: int) -> None:
        """Forget an utterance whose text the decoder cannot write."""
        self._writing.pop(ticket)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Utterances from `admit` continue meanwhile; `step` returns them later."""
        hypotheses, others = run_until_done(self.step, self.admit(batch))
        self._done = others + self._done
        return hypotheses

    def _session(self, utterance: Utterance) -> UtteranceState:
        """Check an utterance and fit its keywords into the prompt.  Raises EngineError when it is invalid."""
        check_utterance(utterance, self._rules.max_seconds)
        wanted = utterance.keywords if utterance.effort is Effort.FINAL else ()
        return UtteranceState(
            -1, utterance, self._prompts.tokens.fit(wanted, self._rules.keyword_tokens)
        )

    def _start_waiting(self) -> None:
        """Encode waiting utterances; answer partials and silence at once, and start decoding the others."""
        admitted = self._group()
        short = [one for one in admitted if one.utterance.is_too_short]
        self._finish_all((one, WITHHELD_TOO_SHORT) for one in short)
        group = [one for one in admitted if not one.utterance.is_too_short]
        if not group:
            return
        try:
            self._finish_all(self._passes.begin([one for one in group if one.is_partial]))
            speaking = self._start_finals([one for one in group if not one.is_partial])
            if speaking:
                rows = self._decoder.running + len(speaking)
                drafted = rows <= self._rules.draft_rows()
                self._decoder.admit([self._row(one, drafted=drafted) for one in speaking])
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            self._halve([one for one in group if not self._answered(one)], exc)
            return
        self._writing |= {one.ticket: one for one in speaking}

    def _group(self) -> list[UtteranceState]:
        """
        Take the utterances for one encoder pass: oldest first, within the limits of rows and seconds.

        Partials need no row of the decoder, so they overtake finals that wait for one.  They wait while a pass for
        partials is running, and share the next one.
        """
        group: list[UtteranceState] = []
        passed: list[UtteranceState] = []
        room = min(self._rows - self._decoder.running, self._decoder.free)
        seconds = SECONDS_AT_ONCE
        while self._waiting and len(group) < self._rows and seconds > 0:
            one = self._waiting.popleft()
            if (len(self._passes) > 0) if one.is_partial else (room < 1):
                passed.append(one)
                continue
            room -= not one.is_partial
            seconds -= len(one.utterance.samples) / RATE
            group.append(one)
        self._waiting.extendleft(reversed(passed))
        return group

    def _start_finals(self, group: Sequence[UtteranceState]) -> list[UtteranceState]:
        """Encode the new ones of `group`, finish those without speech, and return the others."""
        new = [one for one in group if one.heard is None]
        if new:
            for one, heard in zip(
                new,
                self._frontend.encode(
                    self._frontend.wholes([one.utterance.samples for one in new])
                ),
                strict=True,
            ):
                self._frontend.close(one.utterance.key)
                one.heard = heard
                self._choose_keywords(one)
        silent = [one for one in new if one.heard is not None and not one.heard.speech]
        self._finish_all((one, one.silent()) for one in silent)
        speaking = [one for one in group if one.heard is not None and one.heard.speech]
        speaking = self._without_certain(speaking)
        unread = [one for one in speaking if one.audio is None]
        if unread:
            tokens = self._frontend.audio_tokens(
                [one.heard for one in unread if one.heard is not None]
            )
            for one, audio in zip(unread, tokens, strict=True):
                one.audio = audio
        return speaking

    def _without_certain(self, group: Sequence[UtteranceState]) -> list[UtteranceState]:
        """Finish utterances whose CTC text is certain enough to be the final, and return the others."""
        rule, open_ones = self._rules.trust, list[UtteranceState]()
        for one in group:
            certain = one.ctc_final(rule.most_entropy) if rule and self._trusts(one) else None
            if certain is None:
                open_ones.append(one)
            else:
                self._finish_all([(one, certain)])
        return open_ones

    def _trusts(self, session: UtteranceState) -> bool:
        """Whether CTC text may stand for the model's: it knows no keywords, punctuation or translations."""
        plain = not (session.unreadable or session.keywords.kept or self._rules.table.punctuated)
        return self._rules.trust is not None and plain and not session.draft

    def _choose_keywords(self, session: UtteranceState) -> None:
        """If the list is too long for the prompt, keep the terms that sound most like the CTC text."""
        if not session.keywords.dropped:
            return
        tokens, budget = self._prompts.tokens, self._rules.keyword_tokens
        terms = session.keywords.kept + session.keywords.dropped
        kept = tokens.fit(
            by_sound(terms, session.spelled(), session.utterance.language), budget
        ).kept
        session.keywords = replace(
            session.keywords,
            kept=in_order(kept, terms),
            dropped=tuple(term for term in terms if term not in set(kept)),
        )

    def _row(self, session: UtteranceState, *, drafted: bool) -> DecodeRow:
        utterance = session.utterance
        assert session.audio is not None
        terms = () if session.suspect else session.keywords.kept
        asked = self._rules.table.instruction(
            utterance.language, utterance.translate_to, keywords=bool(terms)
        )
        most = self._rules.most(len(utterance.samples))
        draft = session.draft
        if drafted and not draft:
            draft = tuple(self._prompts.tokens.encode(session.draft_text()))
        prompt = self._prompts.prompt(session.audio, asked, terms)
        rule = self._rules.trust if self._trusts(session) else None
        least = rule.least_probability if rule else None
        return DecodeRow(session.ticket, prompt, most, draft[: most - 1], least)

    def _decode(self) -> None:
        try:
            written = self._decoder.step()
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            stopped = self._decoder.withdraw()
            for row, tokens in stopped:  # verified in one pass later: no token is decoded twice
                self._writing[row.ticket].draft = tokens
            self._halve([self._writing.pop(row.ticket) for row, _ in stopped], exc)
            return
        for text in written:
            self._rules.drafted(text.drafted, text.accepted)
            self._alignments.begin(self._writing.pop(text.ticket), text)

    def _collect(self) -> None:
        """Finish texts whose words are aligned; decode a text again if it holds a keyword without support."""
        idle = not (self._writing or self._done or (self._waiting and not len(self._passes)))
        for session, written, verdict in self._alignments.finished(wait_for_one=idle):
            if isinstance(verdict, SuspectKeyword):
                session.suspect = verdict.keywords
                session.with_list, session.draft = written, written.tokens
                self._waiting.appendleft(session)
            else:
                self._done.append((session.ticket, verdict))
        idle = idle and not (self._done or len(self._alignments))
        self._finish_all(self._passes.finished(wait_for_one=idle))

    def _finish_all(self, made: Iterable[tuple[UtteranceState, Hypothesis]]) -> None:
        self._done += [(session.ticket, hypothesis) for session, hypothesis in made]

    def _answered(self, session: UtteranceState) -> bool:
        """Whether a result of `session` is there, or on its way."""
        done = any(ticket == session.ticket for ticket, _ in self._done)
        return done or session.ticket in self._passes.tickets

    def _halve(self, group: Sequence[UtteranceState], cause: BaseException) -> None:
        """Return `group` to the waiting ones and halve the rows permanently."""
        self._waiting.extendleft(reversed(group))
        tried = len(group) + self._decoder.running
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried <= 1:
            raise memory_error(lambda: self._probe(group)) from cause
        self._rows = max(1, min(self._rows, tried) // 2)

    def _probe(self, like: Sequence[UtteranceState]) -> None:
        """Prefill as much silence.  Afterwards the engine cannot be used."""
        for one in like:
            probe = self._session(Utterance(np.zeros_like(one.utterance.samples)))
            heard = self._frontend.encode(self._frontend.wholes([probe.utterance.samples]))
            (probe.audio,) = self._frontend.audio_tokens(heard)
            self._decoder.admit([self._row(probe, drafted=False)])
