"""Whatever is in the batch, each text is the one that `generate()` writes for the clip alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import pytest
from support.examples import examples

from workers.engines.base import Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from support.granite_cases import random_utterance  # noqa: E402

from workers.engines.granite.engine import GraniteEngine  # noqa: E402
from workers.engines.granite.interfaces import EngineOptions  # noqa: E402
from workers.engines.granite.loading import capabilities, longest  # noqa: E402
from workers.engines.granite.settings import GraniteSettings  # noqa: E402
from workers.engines.granite.text.decode import BatchDecoder, DecodeRow, Written  # noqa: E402 - needs the optional extra
from workers.engines.granite.text.prompts import GRANITE_4_0, GRANITE_4_1, PromptTable  # noqa: E402
from workers.engines.granite.text.stopping import StoppingRule, most_tokens  # noqa: E402

CASES = 2 * examples(100)
GENERATED = examples(20)
"""Cases of each table for which `generate()` itself is called, token by token."""


@dataclass(frozen=True)
class Case:
    utterance: Utterance
    table: PromptTable
    expected: tuple[int, ...]


class RecordingDecoder:
    """A decoder that notes every text it hands out."""

    def __init__(self, decoder: BatchDecoder) -> None:
        self._decoder = decoder
        self.texts: dict[int, Written] = {}
        self.joined_in_mid_decode = 0

    running = property(lambda self: self._decoder.running)
    free = property(lambda self: self._decoder.free)

    def admit(self, rows: Sequence[DecodeRow]) -> None:
        self.joined_in_mid_decode += len(rows) if self._decoder.running else 0
        self._decoder.admit(rows)

    def step(self) -> list[Written]:
        written = self._decoder.step()
        self.texts |= {one.ticket: one for one in written}
        return written

    def withdraw(self) -> Any:
        return self._decoder.withdraw()


def padded(utterance: Utterance) -> Any:
    missing = max(0, 4_800 - len(utterance.samples))
    return torch.nn.functional.pad(torch.from_numpy(utterance.samples), (0, missing)).numpy()


def alone(
    vendor: Any, utterance: Utterance, table: PromptTable, guess: tuple[int, ...] = ()
) -> tuple[int, ...]:
    """
    The text of greedy decoding by the reference implementation.

    `guess`: a complete text. If each of its tokens is the likeliest one after those before it, it is that text: one pass
    shows it. Otherwise the reference implementation writes its own.
    """
    asked = table.instruction(
        utterance.language, utterance.translate_to, keywords=bool(utterance.keywords)
    )
    content, samples = asked + ", ".join(utterance.keywords), padded(utterance)
    audio = vendor[0].tokenizer.convert_tokens_to_ids(tiny_granite.AUDIO)
    if guess and audio not in guess:  # as input, it stands for a piece of audio
        logits = tiny_granite.next_logits(vendor, samples, content, guess)
        if tuple(logits.argmax(-1).tolist()) == guess:
            return guess
    most = most_tokens(len(utterance.samples))
    return tuple(tiny_granite.generated(vendor, samples, content, most))


def guesses(
    parts: Any, utterances: Sequence[Utterance], table: PromptTable
) -> list[tuple[int, ...]]:
    """The complete texts of the engine without drafts, with the end token of those that have one."""
    engine, decoder = engine_of(parts, table, rows=7, draft_rows=0)
    engine.transcribe(utterances)
    texts = [decoder.texts[ticket] for ticket in sorted(decoder.texts)]
    (end,) = parts.end
    return [(*one.tokens, *[end] * (one.ending is StoppingRule.SAID)) for one in texts]


@pytest.fixture(scope="module")
def cases(parts: Any, vendor: Any) -> list[Case]:
    dice = random.Random(7)
    numbered = (random_utterance(dice, number) for number in count())
    spoken = [*islice((one for one in numbered if has_speech(parts, one)), CASES)]
    found: list[Case] = []
    for table, mine in ((GRANITE_4_0, spoken[: CASES // 2]), (GRANITE_4_1, spoken[CASES // 2 :])):
        for number, (one, guess) in enumerate(zip(mine, guesses(parts, mine, table), strict=True)):
            known = () if number < GENERATED else guess
            found.append(Case(one, table, alone(vendor, one, table, known)))
    return found


def has_speech(parts: Any, utterance: Utterance) -> bool:
    return bool(parts.frontend.encode([parts.frontend.whole(utterance.samples)])[0].speech)


def engine_of(
    parts: Any, table: PromptTable, rows: int, draft_rows: int
) -> tuple[GraniteEngine, RecordingDecoder]:
    decoder_factory = parts.decoder_factory(rows, longest(30.0, 200), graphs=False)
    decoder = RecordingDecoder(decoder_factory.decoder(parts.end, cut_loops=False))
    rules = EngineOptions(
        table, rows, 30.0, 200, least_support=0.0, draft_rows=lambda: draft_rows
    )  # no doubts here: a second pass would write another text
    can = capabilities(GraniteSettings(model="tiny"), rows)
    return GraniteEngine(can, rules, parts.frontend, parts.prompts, decoder), decoder


@pytest.mark.parametrize("draft_rows", [0, 1_000], ids=["without-drafts", "with-drafts"])
@pytest.mark.parametrize("table", [GRANITE_4_0, GRANITE_4_1], ids=lambda table: table.name)
def test_ragged_batches_with_admission_in_mid_decode_equal_single_clips(
    parts: Any, cases: list[Case], table: PromptTable, draft_rows: int
) -> None:
    # given
    mine = [case for case in cases if case.table is table]
    engine, decoder = engine_of(parts, table, rows=7, draft_rows=draft_rows)
    dice, waiting = random.Random(3), list(mine)
    tickets: dict[int, Case] = {}

    # when: between any two steps, some more may come
    while waiting or engine.pending:
        coming = [waiting.pop(0) for _ in range(min(len(waiting), dice.choice([0, 0, 0, 1, 4])))]
        tickets |= dict(zip(engine.admit([case.utterance for case in coming]), coming, strict=True))
        engine.step()

    # then
    assert len(mine) == CASES // 2
    assert decoder.joined_in_mid_decode > CASES // 4
    for ticket, case in tickets.items():
        end = parts.end if decoder.texts[ticket].ending is StoppingRule.SAID else frozenset()
        assert decoder.texts[ticket].tokens == tuple(t for t in case.expected if t not in end)
        is_said = case.expected[-1] in parts.end
        assert decoder.texts[ticket].ending is (
            StoppingRule.SAID if is_said else StoppingRule.LENGTH
        )


def test_the_cases_are_worth_their_number(parts: Any, cases: list[Case]) -> None:
    texts = {case.expected for case in cases}
    assert len(texts) > 0.9 * len(cases)  # the tiny model listens: hardly two texts are the same
    assert sum(bool(case.utterance.keywords) for case in cases) > CASES // 4
    assert {len(case.utterance.samples) > 64_000 for case in cases} == {True, False}
    # the other texts end by their length
    assert {case.expected[-1] in parts.end for case in cases} == {True, False}


@pytest.mark.parametrize("agreeing", [0, 1, 5, 1_000])
def test_a_draft_is_accepted_as_far_as_greedy_decoding_agrees(
    parts: Any, cases: list[Case], agreeing: int
) -> None:
    # given: drafts that are right at first, and go on wrongly
    some = [case for case in cases if len(case.expected) > 12][:24]
    decoder_factory = parts.decoder_factory(len(some), 1_024, graphs=False)
    decoder = decoder_factory.decoder(parts.end, cut_loops=False)
    wrong = 3
    rows = []
    for number, case in enumerate(some):
        heard = parts.frontend.encode([parts.frontend.whole(case.utterance.samples)])
        asked = case.table.instruction(
            case.utterance.language,
            case.utterance.translate_to,
            keywords=bool(case.utterance.keywords),
        )
        prompt = parts.prompts.prompt(
            parts.frontend.audio_tokens(heard)[0], asked, case.utterance.keywords
        )
        most = most_tokens(len(case.utterance.samples))
        draft = (*case.expected[:agreeing], wrong, wrong, wrong)
        rows.append(DecodeRow(number, prompt, most, draft[: most - 1]))

    # when
    decoder.admit(rows)
    written: list[Written] = []
    while len(written) < len(some):
        written += decoder.step()

    # then
    for one in written:
        expected = some[one.ticket].expected
        assert one.tokens == tuple(token for token in expected if token not in parts.end)
        assert one.accepted >= min(agreeing, len(expected) - 1)


def test_a_text_does_not_depend_on_its_company(parts: Any, cases: list[Case]) -> None:
    # given
    mine = [case for case in cases if case.table is GRANITE_4_0]
    engine, _ = engine_of(parts, GRANITE_4_0, rows=5, draft_rows=3)
    probe = next(case for case in mine if len(case.utterance.samples) > 16_000).utterance
    alone_heard = engine.transcribe([probe])[0]

    # when
    dice = random.Random(11)
    others = [[case.utterance for case in dice.sample(mine, 6)] for _ in range(6)]
    together = [engine.transcribe([*company[:3], probe, *company[3:]])[3] for company in others]

    # then
    for heard in together:
        assert heard.text == alone_heard.text
        assert heard.flags == alone_heard.flags
        assert [(w.start, w.end) for w in heard.words] == [
            (w.start, w.end) for w in alone_heard.words
        ]
