"""The engine as a worker sees it, on the tiny checkpoint."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.engines import times_of

from workers.engines.base import Effort, EngineBrokenError, EngineError, Hypothesis, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines import registry  # noqa: E402 - needs the optional extra
from workers.engines.granite import CheckpointError, GraniteSettings  # noqa: E402
from workers.engines.granite.engine import GraniteEngine  # noqa: E402
from workers.engines.granite.interfaces import EngineOptions  # noqa: E402
from workers.engines.granite.loading import assemble, capabilities, longest  # noqa: E402
from workers.engines.granite.settings import Drafts  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow, Written  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_4_0, LANGUAGES, TRANSLATIONS  # noqa: E402
from workers.engines.granite.text.row_state import RowState, Tokens  # noqa: E402
from workers.engines.granite.text.stopping import StoppingRule  # noqa: E402

TINY = GraniteSettings(model="tiny", max_batch=4, drafts=Drafts.NEVER, canary=False)


@pytest.fixture(scope="module")
def engine(parts: Any) -> GraniteEngine:
    return assemble(parts, TINY)


def partial(samples: Any, key: str = "") -> Utterance:
    return Utterance(samples, effort=Effort.PARTIAL, key=key)


class UtteranceOutcome:
    """The result of an utterance, without the noise of the last digits."""

    def __init__(self, heard: Hypothesis) -> None:
        self.text, self.flags = heard.text, heard.flags
        self.times = [(word.start, word.end) for word in heard.words]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UtteranceOutcome) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class TestContract:
    """The contract of every engine."""

    def test_order_is_kept_and_a_batch_of_many_equals_batches_of_one(
        self, engine: GraniteEngine
    ) -> None:
        batch = [
            Utterance(tiny_granite.babble(2.0, 1)),
            Utterance(tiny_granite.silence(1.0)),
            partial(tiny_granite.spoken("one garden", 2), "a"),
            Utterance(tiny_granite.babble(5.1, 3), language="de", keywords=("Ann",)),
            partial(tiny_granite.babble(1.0, 4), "b"),
            Utterance(tiny_granite.babble(0.7, 5), translate_to="fr"),
            Utterance(tiny_granite.babble(3.3, 6)),
        ]

        together = engine.transcribe(batch)

        one_by_one = [engine.transcribe([replace(one, key="")])[0] for one in batch]
        assert [UtteranceOutcome(one) for one in together] == [
            UtteranceOutcome(one) for one in one_by_one
        ]
        assert together[1].words == ()
        assert together[2].text == "one garden"
        assert all(together[place].words for place in (0, 3, 5, 6))

    @pytest.mark.parametrize("effort", list(Effort))
    @pytest.mark.parametrize(
        "samples",
        [
            tiny_granite.silence(2.0), tiny_granite.silence(0.0), tiny_granite.hiss(2.0, 5),
            tiny_granite.hiss(3.0, 6, 0.001), tiny_granite.tone(2.5, 950.0), tiny_granite.tone(1.0, 425.0, 0.02),
        ],
        ids=["silence", "nothing", "noise", "faint-noise", "tone", "dial-tone"],
    )  # fmt: skip
    def test_silence_noise_and_tones_give_no_words(
        self, engine: GraniteEngine, samples: Any, effort: Effort
    ) -> None:
        heard = engine.transcribe([Utterance(samples, effort=effort, keywords=("Ann",))])

        assert heard[0].words == ()

    def test_keywords_change_the_outcome(self, engine: GraniteEngine) -> None:
        samples = tiny_granite.babble(2.0, 1)

        plain, biased = engine.transcribe(
            [Utterance(samples), Utterance(samples, keywords=("Ann", "Eve"))]
        )

        assert plain.text != biased.text

    def test_an_empty_batch_takes_no_steps(self, engine: GraniteEngine) -> None:
        assert engine.transcribe([]) == []
        assert engine.step() == []

    def test_word_times_rise_and_stay_within_the_audio(self, engine: GraniteEngine) -> None:
        samples = tiny_granite.babble(4.0, 8)

        heard = engine.transcribe([Utterance(samples), partial(samples)])

        for made in heard:
            times = times_of(made)
            assert times == sorted(times)
            assert times[0] >= 0
            assert times[-1] <= len(samples)
            assert all(0 <= (word.confidence or 0) <= 1 for word in made.words)

    def test_it_declares_what_it_was_trained_for(self, engine: GraniteEngine) -> None:
        can = engine.capabilities

        assert (can.name, can.languages, can.translations) == ("tiny", LANGUAGES, TRANSLATIONS)
        assert (can.keywords, can.partials, can.max_batch) == (True, True, 4)
        assert (can.word_times, can.confidence) == ("ctc-alignment", "token-probability")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"language": "it"}, "cannot transcribe 'it'"),
        ({"language": "fr", "translate_to": "de"}, "cannot translate"),
        ({"language": "it", "translate_to": "en"}, "cannot translate"),
        ({"samples": np.zeros(31 * 16_000, np.float32)}, "at most 30 s"),
        ({"samples": np.zeros(16_000, np.int16)}, "32-bit floats"),
        ({"samples": np.zeros((2, 800), np.float32)}, "one channel"),
        ({"samples": np.full(16_000, np.nan, np.float32)}, "NaN"),
    ],
)
def test_an_utterance_at_fault_is_named_and_costs_the_others_nothing(
    engine: GraniteEngine, wrong: dict[str, Any], reason: str
) -> None:
    good = Utterance(tiny_granite.babble(1.0, 1))

    with pytest.raises(EngineError, match=reason):
        engine.transcribe([good, replace(good, **wrong)])

    assert engine.pending == 0
    assert engine.transcribe([good])[0].words


def test_others_go_on_while_a_batch_is_transcribed(engine: GraniteEngine) -> None:
    early = engine.admit(
        [Utterance(tiny_granite.babble(1.0, 1)), Utterance(tiny_granite.babble(2.0, 2))]
    )

    engine.transcribe([Utterance(tiny_granite.babble(4.0, 3))])

    found = dict(engine.step())
    while engine.pending:
        found |= engine.step()
    assert sorted(found) == early


def test_partials_pass_by_finals_that_wait(parts: Any) -> None:
    engine = assemble(parts, TINY.model_copy(update={"max_batch": 1}))
    engine.admit([Utterance(tiny_granite.babble(4.0, number)) for number in range(2)])
    engine.step()

    (ticket,) = engine.admit([partial(tiny_granite.spoken("go", 1))])

    assert [one for one, _ in engine.step()] == [ticket]


@pytest.mark.parametrize(("language", "translate_to"), [("en", "de"), ("ja", None)])
def test_there_are_no_partials_where_the_ctc_head_cannot_spell_them(
    engine: GraniteEngine, language: str, translate_to: str | None
) -> None:
    heard = engine.transcribe(
        [
            replace(
                partial(tiny_granite.spoken("go", 1)), language=language, translate_to=translate_to
            )
        ]
    )

    assert heard == [Hypothesis()]


class Unhurried:
    """A tokenizer whose texts come back when they are let go."""

    def __init__(self, tokens: Any) -> None:
        self._tokens = tokens
        self.asked, self.let_go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokens, name)

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        self.asked.set()
        self.let_go.wait()
        return list(self._tokens.pieces(ids))


def test_decoding_does_not_wait_for_the_word_alignment_of_another_utterance(
    parts: Any,
) -> None:
    settings = TINY.model_copy(
        update={"cut_loops": False}
    )  # then the random model writes as long as it may
    batch = [Utterance(tiny_granite.babble(seconds, 1)) for seconds in (1.0, 12.0)]
    alone = [assemble(parts, settings).transcribe([one])[0] for one in batch]
    tokens = Unhurried(parts.prompts.tokens)
    engine = assemble(replace(parts, prompts=replace(parts.prompts, tokens=tokens)), settings)
    tickets = engine.admit(batch)

    while not tokens.asked.is_set():
        engine.step()
    meanwhile = [engine.step() for _ in range(5)]
    tokens.let_go.set()
    found: dict[int, Hypothesis] = {}
    while engine.pending:
        found |= engine.step()

    assert meanwhile == [[]] * 5
    assert [UtteranceOutcome(found[ticket]) for ticket in tickets] == [
        UtteranceOutcome(one) for one in alone
    ]


def test_dropped_and_refused_keywords_are_reported(parts: Any) -> None:
    engine = assemble(parts, TINY.model_copy(update={"keyword_tokens": 12}))
    terms = ("Ann", "<|audio|>", "Bartholomew Featherstonehaugh", "Eve")

    heard = engine.transcribe([Utterance(tiny_granite.babble(1.0, 1), keywords=terms)])[0]

    assert [flag for flag in heard.flags if flag.startswith("keyword")] == [
        "keywords_dropped:2",
        "keyword_dropped:Bartholomew Featherstonehaugh",
        "keyword_dropped:Eve",
        "keywords_refused:1",
    ]


def test_of_a_long_list_the_terms_that_were_said_are_in_the_prompt(parts: Any) -> None:
    engine = assemble(parts, TINY.model_copy(update={"keyword_tokens": 12}))
    terms = ("Huck", "Fuzz", "Jex", "Quip", "Wyck", "Marion", "Vox")

    heard = engine.transcribe([Utterance(tiny_granite.spoken("marion"), keywords=terms)])[0]

    dropped = [flag for flag in heard.flags if flag.startswith("keyword_dropped")]
    assert dropped
    assert "keyword_dropped:Marion" not in dropped


class Scripted:
    """A decoder that writes prepared texts, one for each pass."""

    def __init__(self, parts: Any, *texts: str) -> None:
        self._tokens, self._texts = parts.prompts.tokens, list(texts)
        self._rows: list[DecodeRow] = []
        self.prompts: list[DecodeRow] = []

    @property
    def running(self) -> int:
        return len(self._rows)

    @property
    def free(self) -> int:
        return 4 - len(self._rows)

    def admit(self, rows: Sequence[DecodeRow]) -> None:
        self._rows += rows
        self.prompts += rows

    def step(self) -> list[Written]:
        rows, self._rows = self._rows, []
        texts = [self._tokens.encode(self._texts.pop(0)) for _ in rows]
        return [
            Written(row.ticket, tuple(text), (-0.1,) * len(text), StoppingRule.SAID)
            for row, text in zip(rows, texts, strict=True)
        ]

    def withdraw(self) -> list[tuple[DecodeRow, tuple[int, ...]]]:
        return []


class TestSuspectKeywords:
    """No name that was not in the keyword list enters a transcript."""

    def encode(
        self, parts: Any, said: str, terms: tuple[str, ...], *texts: str
    ) -> tuple[Hypothesis, Scripted]:
        decoder = Scripted(parts, *texts)
        rules = EngineOptions(GRANITE_4_0, 4, 30.0, 200, 1 / 3, lambda: 0)
        engine = GraniteEngine(capabilities(TINY, 4), rules, parts.frontend, parts.prompts, decoder)
        samples = tiny_granite.spoken(said, 5)
        return engine.transcribe([Utterance(samples, keywords=terms)])[0], decoder

    def test_a_name_that_was_said_stays(self, parts: Any) -> None:
        heard, decoder = self.encode(parts, "let gardner stand", ("Gardner",), "let Gardner stand")

        assert heard.text == "let Gardner stand"
        assert heard.flags == ()
        assert len(decoder.prompts) == 1

    def test_a_name_that_sounds_as_it_is_not_spelt_stays(self, parts: Any) -> None:
        heard, _ = self.encode(parts, "let gadnor stand", ("Gardener",), "let Gardener stand")

        assert heard.text == "let Gardener stand"

    def test_a_name_that_was_not_spoken_is_removed_and_the_difference_is_recorded(
        self, parts: Any
    ) -> None:
        heard, decoder = self.encode(
            parts, "let it stand", ("Bob Memsen",), "let Bob Memsen stand", "let it stand"
        )

        assert heard.text == "let it stand"
        assert heard.flags == ("keyword_suspect:Bob Memsen", "without_keywords:Bob Memsen -> it")
        first, second = decoder.prompts
        assert len(second.prompt) < len(first.prompt)  # no keywords in the second prompt
        assert second.draft == tuple(parts.prompts.tokens.encode("let Bob Memsen stand"))

    def test_a_name_that_comes_without_the_list_as_well_was_not_put_in_by_it(
        self, parts: Any
    ) -> None:
        heard, _ = self.encode(
            parts, "let it stand", ("Bob", "Ann"), "let Bob stand", "let bob stand"
        )

        assert heard.text == "let Bob stand"
        assert heard.flags[0] == "keyword_suspect:Bob"

    def test_words_have_the_times_of_the_sounds(self, parts: Any) -> None:
        heard, _ = self.encode(parts, "let go", (), "Let go!")

        letter = tiny_granite.LETTER_SAMPLES
        for word, first, last in zip(heard.words, [1, 5], [4, 7], strict=True):
            assert abs((word.start or 0) - first * letter) < letter
            assert abs((word.end or 0) - last * letter) < letter


class Cramped:
    """A frontend on a GPU whose memory holds a limited number of clips."""

    def __init__(self, frontend: Any, room: int) -> None:
        self._frontend, self.room, self.refused = frontend, room, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frontend, name)

    def encode(self, features: Sequence[Any]) -> Any:
        return self.begin(features).read()

    def begin(self, features: Sequence[Any]) -> Any:
        if len(features) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._frontend.begin(features)


class Clumsy:
    """A decoder that fails in one step, for the reason given."""

    def __init__(self, decoder: Any, failing: int, reason: Exception) -> None:
        self._decoder, self._left, self._reason = decoder, failing, reason

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def step(self) -> list[Written]:
        self._left -= 1
        if self._left == 0:
            raise self._reason
        finished: list[Written] = self._decoder.step()
        return finished


def troubled(parts: Any, *, room: int = 100, failing: int = -1, reason: Any = None) -> Any:
    decoder_factory = parts.decoder_factory(8, longest(30.0, 200), graphs=False)
    decoder = Clumsy(decoder_factory.decoder(parts.end, cut_loops=True), failing, reason)
    rules = EngineOptions(GRANITE_4_0, 8, 30.0, 200, 0.0, lambda: 0)
    frontend = Cramped(parts.frontend, room)
    return GraniteEngine(capabilities(TINY, 8), rules, frontend, parts.prompts, decoder), frontend


@pytest.fixture(scope="module")
def batch() -> list[Utterance]:
    return [Utterance(tiny_granite.babble(0.5 + number / 3, number)) for number in range(8)]


@pytest.fixture(scope="module")
def expected(parts: Any, batch: list[Utterance]) -> list[UtteranceOutcome]:
    return [UtteranceOutcome(one) for one in troubled(parts)[0].transcribe(batch)]


class TestTrouble:
    """Faults of the device."""

    def test_out_of_memory_halves_the_batch_and_is_remembered(
        self, parts: Any, batch: list[Utterance], expected: list[UtteranceOutcome]
    ) -> None:
        engine, frontend = troubled(parts, room=3)

        assert [UtteranceOutcome(one) for one in engine.transcribe(batch)] == expected
        assert (engine.rows, frontend.refused) == (2, 2)
        engine.transcribe(batch)
        assert frontend.refused == 2

    def test_out_of_memory_in_mid_decode_loses_nothing(
        self, parts: Any, batch: list[Utterance], expected: list[UtteranceOutcome]
    ) -> None:
        engine, _ = troubled(parts, failing=9, reason=torch.OutOfMemoryError("CUDA out of memory"))

        assert [UtteranceOutcome(one) for one in engine.transcribe(batch)] == expected
        assert engine.rows < 8

    def test_out_of_memory_with_one_utterance_ends_the_process(
        self, parts: Any, batch: list[Utterance]
    ) -> None:
        engine, _ = troubled(parts, room=0)

        with pytest.raises(EngineBrokenError, match="batch of one utterance"):
            engine.transcribe(batch)

    def test_a_cuda_error_sticks_so_the_process_ends(
        self, parts: Any, batch: list[Utterance]
    ) -> None:
        reason = RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")
        engine, _ = troubled(parts, failing=3, reason=reason)

        with pytest.raises(EngineBrokenError, match="illegal memory access") as broken:
            engine.transcribe(batch)

        assert "\n" not in str(broken.value)

    def test_a_bug_of_ours_is_not_blamed_on_the_device(
        self, parts: Any, batch: list[Utterance]
    ) -> None:
        engine, _ = troubled(parts, failing=3, reason=RuntimeError("shapes do not match"))

        with pytest.raises(RuntimeError, match="shapes"):
            engine.transcribe(batch)


def test_loading_measures_drafts_and_sings(tiny: Any) -> None:
    engine = registry.load("granite", model=tiny, max_batch="2")

    assert engine.capabilities.max_batch == 2

    assert engine.transcribe([Utterance(tiny_granite.babble(1.0, 1))])[0].words
    with pytest.raises(CheckpointError, match="modle"):
        registry.load("granite", modle=tiny)


def test_a_damaged_model_does_not_get_past_the_canary(tiny: Any, parts: Any) -> None:
    from workers.engines.granite.checkpoint import inspect
    from workers.engines.granite.compat import modules_of
    from workers.engines.granite.loading import take_apart, weights

    model = weights(inspect(tiny), torch.device("cpu"))
    modules_of(model).head.weight.data[5, 5] = float("nan")

    with pytest.raises(EngineBrokenError, match="warm-up segment"):
        assemble(take_apart(model, parts.prompts.tokens), TINY.model_copy(update={"canary": True}))


def test_a_loop_is_cut_and_flagged(parts: Any) -> None:
    class Stuck:
        """Steps that say the same for ever."""

        state = RowState(2, torch.device("cpu"))

        def queue(self, rows: int, width: int) -> Callable[[], Tokens]:
            return lambda: ([7] * rows, [-0.1] * rows)

    decoder_factory = replace(parts.decoder_factory(2, 1_024, graphs=False), stepper=Stuck())
    decoder = decoder_factory.decoder(parts.end, cut_loops=True)
    rules = EngineOptions(GRANITE_4_0, 2, 30.0, 200, 0.0, lambda: 0)
    engine = GraniteEngine(capabilities(TINY, 2), rules, parts.frontend, parts.prompts, decoder)

    heard = engine.transcribe([Utterance(tiny_granite.babble(8.0, 1))])[0]

    assert "loop_cut" in heard.flags
    assert len(heard.words) <= 3
