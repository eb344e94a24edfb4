"""
The contract of engines: tests that each engine must pass.

A test file derives a class from `EngineContract` and has a fixture `contender`; pytest then runs all tests of the contract.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest

from workers.engines.base import (
    SHORTEST,
    Effort,
    Engine,
    EngineError,
    Hypothesis,
    Samples,
    Utterance,
)

RATE = 16_000


@dataclass(frozen=True)
class Contender:
    """An engine, and a keyword that it finds in a recording only if the keyword is given."""

    engine: Engine
    speech: Samples
    keyword: str
    blur: float
    """Level of the hiss over the recording in which the keyword is to be found; 0: none is needed."""

    @cached_property
    def found_without_a_list(self) -> int:
        """As `times_found`, if the keyword is not given."""
        return self.times_found(())

    def times_found(self, keywords: tuple[str, ...]) -> int:
        """In how many recordings the keyword is found: three with hiss, or the clear one."""
        seconds, seeds = len(self.speech) / RATE, range(3 if self.blur else 1)
        blurred = [self.speech + hiss(self.blur, seconds, seed) for seed in seeds]
        heard = [
            each
            for samples in blurred
            for each in self.engine.transcribe([Utterance(samples, keywords=keywords)])
        ]
        return sum(self.keyword in each.text.lower() for each in heard)


def tone(*hertz: float, seconds: float = 3.0) -> Samples:
    time = np.arange(round(RATE * seconds)) / RATE
    waves = np.array([np.sin(2 * np.pi * each * time) for each in hertz])
    mixed: Samples = (0.3 * waves.mean(axis=0)).astype(np.float32)
    return mixed


def switched(sound: Samples, seconds: float) -> Samples:
    """On and off again, as ringing and busy tones are."""
    on = np.arange(len(sound)) // round(RATE * seconds) % 2 == 0
    return np.where(on, sound, np.float32(0))


def hiss(level: float, seconds: float = 3.0, seed: int = 0) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(round(RATE * seconds))
    return (level * noise).astype(np.float32)


def tune(seconds: float = 3.0, seed: int = 1) -> Samples:
    """A plucked chord every quarter of a second."""
    random = np.random.default_rng(seed)
    time = np.arange(RATE // 4) / RATE
    chords = [
        sum(np.sin(2 * np.pi * 220 * 2 ** (step / 12) * part * time) for part in (1, 1.25, 1.5))
        for step in random.choice([0, 2, 4, 5, 7, 9, 11], round(seconds * 4))
    ]
    return np.concatenate([0.1 * np.exp(-3 * time) * chord for chord in chords]).astype(np.float32)


NO_SPEECH = {
    "silence": np.zeros(3 * RATE, dtype=np.float32),
    "a click": np.eye(1, RATE, RATE // 2, dtype=np.float32)[0],
    "a dial tone": tone(350, 440),
    "ringing": switched(tone(440, 480, seconds=8), 2.0),
    "a busy tone": switched(tone(480, 620), 0.5),
    "keys": switched(tone(770, 1336), 0.1),
    "a fax": tone(2_100),
    "mains hum": tone(50, 150, 250) / 6,
    "faint hiss": hiss(0.003),
    "hiss": hiss(0.03),
    "loud hiss": hiss(0.3),
    "a short hiss": hiss(0.1, seconds=0.5),
    "music on hold": tune(),
}


EFFORTS = (Effort.PARTIAL, Effort.FINAL)
"""Those of the utterances that engines receive: a worker asks for a draft as for a final."""


class EngineContract:
    """What every engine must do. A subclass in a test file runs these tests with its `contender` fixture."""

    @pytest.mark.parametrize("sound", NO_SPEECH)
    @pytest.mark.parametrize("effort", EFFORTS)
    def test_no_speech_gives_no_words(
        self, contender: Contender, sound: str, effort: Effort
    ) -> None:
        (heard,) = contender.engine.transcribe([Utterance(NO_SPEECH[sound], effort)])

        assert heard.words == ()

    @pytest.mark.parametrize("effort", EFFORTS)
    @pytest.mark.parametrize("length", [0, 1, 399, SHORTEST - 1])
    def test_a_sound_shorter_than_any_word_is_withheld_and_flagged(
        self, contender: Contender, length: int, effort: Effort
    ) -> None:
        loud = np.full(length, 0.5, dtype=np.float32)

        (heard,) = contender.engine.transcribe([Utterance(loud, effort)])

        assert heard == Hypothesis(flags=("withheld:too_short",))

    def test_no_speech_gives_no_keywords(self, contender: Contender) -> None:
        for sound in NO_SPEECH.values():
            keywords = (contender.keyword, "Brightwater")

            (heard,) = contender.engine.transcribe([Utterance(sound, keywords=keywords)])

            assert heard.words == ()

    def test_the_text_is_the_same_whatever_else_is_in_the_batch_and_in_its_order(
        self,
        contender: Contender,
    ) -> None:
        speech = contender.speech
        batch = [
            Utterance(speech),
            Utterance(hiss(0.03)),
            Utterance(speech[: 3 * RATE]),
            Utterance(speech[: 5 * RATE], keywords=(contender.keyword,)),
        ]

        alone = [contender.engine.transcribe([utterance])[0] for utterance in batch]
        together = contender.engine.transcribe(batch)
        turned_round = contender.engine.transcribe(batch[::-1])

        assert together == alone
        assert turned_round == alone[::-1]
        assert len({hypothesis.text for hypothesis in alone}) > 2

    def test_an_empty_batch_is_answered_with_nothing(self, contender: Contender) -> None:
        assert contender.engine.transcribe([]) == []

    def test_keywords_are_found_more_often_when_they_are_given(self, contender: Contender) -> None:
        if not contender.engine.capabilities.keywords:
            pytest.skip("this engine declares that it takes no keywords")

        assert contender.times_found((contender.keyword,)) > contender.found_without_a_list

    def test_a_keyword_far_down_a_long_list_has_its_effect_too(self, contender: Contender) -> None:
        if not contender.engine.capabilities.keywords:
            pytest.skip("this engine declares that it takes no keywords")
        syllables = ("Kor", "Vel", "Zum", "Pra", "Dun", "Wix", "Jal")
        others = tuple(
            f"{a}{b.lower()}{c.lower()}" for a in syllables for b in syllables for c in "xq"
        )
        long_list = (*others[:49], contender.keyword, *others[49:])

        assert contender.times_found(long_list) > contender.found_without_a_list

    def test_what_is_not_declared_is_refused(self, contender: Contender) -> None:
        short = Utterance(contender.speech[:RATE])

        for asked in (replace(short, language="tlh"), replace(short, translate_to="tlh")):
            with pytest.raises(EngineError, match=r"tlh|translate"):
                contender.engine.transcribe([asked])

    def test_what_is_longer_than_declared_is_refused(self, contender: Contender) -> None:
        samples = round(contender.engine.capabilities.max_seconds * RATE) + 1

        with pytest.raises(EngineError, match="at most"):
            contender.engine.transcribe([Utterance(np.zeros(samples, dtype=np.float32))])

    def test_one_that_is_refused_does_not_spoil_the_next(self, contender: Contender) -> None:
        def asked() -> str:
            return contender.engine.transcribe([Utterance(contender.speech[: 3 * RATE])])[0].text

        before = asked()

        with pytest.raises(EngineError):
            contender.engine.transcribe([Utterance(contender.speech, language="tlh")])

        assert asked() == before
