from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import times_of

from workers.engines import registry
from workers.engines.base import Effort, Engine, EngineError, Samples, Utterance


def plain(text: str) -> str:
    return " ".join(word.strip(".,").lower() for word in text.split())


@pytest.mark.parametrize("effort", Effort)
def test_clear_speech_is_understood(whisper: Engine, beckett: Samples, effort: Effort) -> None:
    (heard,) = whisper.transcribe([Utterance(beckett, effort)])

    assert plain(heard.text).endswith("no matter try again fail again fail better")
    assert heard.flags == ()


@pytest.mark.long
def test_the_same_audio_has_the_same_words_whatever_was_transcribed_before(
    whisper: Engine, whisper_model: Any, beckett: Samples
) -> None:
    """By the model itself: the engine of the other tests has a model that keeps its transcripts."""
    from workers.engines.whisper.engine import Whisper

    anew = Whisper(whisper_model, "whisper-base/int8")
    (kept,) = whisper.transcribe([Utterance(beckett)])

    heard = anew.transcribe([Utterance(beckett[:48_000]), Utterance(beckett)])

    assert heard[1] == kept
    assert heard[0] != kept


def test_words_have_times_that_rise_inside_the_utterance(whisper: Engine, beckett: Samples) -> None:
    (heard,) = whisper.transcribe([Utterance(beckett)])

    times = times_of(heard)
    assert whisper.capabilities.word_times == "cross-attention"
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(beckett)


def test_every_word_of_a_final_has_a_confidence(whisper: Engine, beckett: Samples) -> None:
    (heard,) = whisper.transcribe([Utterance(beckett)])

    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in heard.words)


def test_a_list_too_long_for_the_prompt_is_cut_and_not_read_out(
    whisper: Engine, beckett: Samples
) -> None:
    names = tuple(f"Brightwater {number} Holdings" for number in range(500))

    (heard,) = whisper.transcribe([Utterance(beckett, keywords=names)])

    assert "holdings" not in plain(heard.text)


def test_keywords_that_nobody_says_change_nothing(whisper: Engine, beckett: Samples) -> None:
    names = ("Kubernetes", "Oliveira", "Mississippi")

    (without,) = whisper.transcribe([Utterance(beckett)])
    (heard,) = whisper.transcribe([Utterance(beckett, keywords=names)])

    assert (heard.text, heard.flags) == (without.text, without.flags)


def test_keywords_that_sound_like_the_words_never_cost_the_sentence(
    whisper: Engine, beckett: Samples
) -> None:
    names = ("Feil", "Faylbetter", "Tryagain", "Nomatter", *(f"Failbetter {n}" for n in "ABCDEFGH"))

    (without,) = whisper.transcribe([Utterance(beckett)])
    (heard,) = whisper.transcribe([Utterance(beckett, keywords=names)])

    assert not any(flag.startswith("withheld") for flag in heard.flags)
    assert len(heard.words) >= len(without.words) // 2


def test_a_keyword_that_is_said_gets_its_spelling(whisper: Engine, beckett: Samples) -> None:
    (heard,) = whisper.transcribe([Utterance(beckett, keywords=("No Matter", "Zebra"))])

    assert "no matter" in plain(heard.text)
    assert "zebra" not in plain(heard.text)


def test_many_languages_are_declared_with_their_translation(whisper: Engine) -> None:
    can = whisper.capabilities

    assert {"en", "de", "fr", "es", "pt", "ja"} <= can.languages
    assert ("de", "en") in can.translations
    assert ("en", "de") not in can.translations


def test_a_translation_into_anything_but_english_is_refused(
    whisper: Engine, beckett: Samples
) -> None:
    with pytest.raises(EngineError, match="does not translate 'en' into 'de'"):
        whisper.transcribe([Utterance(beckett, translate_to="de")])


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper", reason="the extra `whisper` is not installed")

    with pytest.raises(EngineError, match=r"model\.bin is missing"):
        registry.load("whisper", folder=tmp_path)


class Noting:
    """A model that writes nothing and keeps the options that it was called with."""

    supported_languages = ("en",)

    def __init__(self) -> None:
        self.options: dict[str, object] = {}

    def transcribe(self, _samples: object, **options: object) -> tuple[list[object], None]:
        """Return no segments."""
        self.options = options
        return [], None


@pytest.mark.parametrize(
    ("seconds", "most"), [(0.5, 79), (1.0, 94), (5.0, 214), (6.0, None), (30.0, None)]
)
@pytest.mark.parametrize("effort", Effort)
def test_a_short_sound_may_not_fill_the_window_with_text(
    seconds: float, most: int | None, effort: Effort
) -> None:
    from workers.engines.whisper.engine import Whisper

    model: Any = Noting()
    sound = np.full(round(seconds * 16_000), 0.1, dtype=np.float32)

    Whisper(model, "noting").transcribe([Utterance(sound, effort)])

    assert model.options["max_new_tokens"] == most
