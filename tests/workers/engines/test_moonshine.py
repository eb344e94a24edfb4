import subprocess
import sys
from importlib import resources
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soxr
from support.wav import read_wav

from workers.engines.base import (
    ContinuousEngine,
    Effort,
    EngineError,
    Samples,
    StepwiseEngine,
    Utterance,
)
from workers.engines.moonshine.engine import Moonshine
from workers.text.keyword_match import keywords_in, written_as_listed

SAID = ["ever", "tried", "ever", "failed", "no", "matter",
        "try", "again", "fail", "again", "fail", "better"]  # fmt: skip


def plain(text: str) -> list[str]:
    return [word.strip(".,").lower() for word in text.split()]


@pytest.mark.parametrize("effort", Effort)
def test_clear_speech_is_understood(moonshine: Moonshine, beckett: Samples, effort: Effort) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett, effort)])

    assert plain(heard.text) == SAID
    assert heard.flags == ()


def test_every_word_of_a_final_has_a_confidence_and_times(
    moonshine: Moonshine, beckett: Samples
) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett)])

    assert moonshine.capabilities.confidence == "calibrated-probability"
    assert moonshine.capabilities.word_times == "cross-attention"
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in heard.words)
    times = [time for word in heard.words for time in (word.start, word.end)]
    assert all(time is not None for time in times)
    assert times == sorted(time or 0 for time in times)


def test_a_partial_pays_for_no_times(moonshine: Moonshine, beckett: Samples) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett, Effort.PARTIAL)])

    assert all(word.start is None and word.end is None for word in heard.words)


def test_half_a_sentence_gives_half_the_words(moonshine: Moonshine, beckett: Samples) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett[: len(beckett) // 2], Effort.PARTIAL)])

    assert plain(heard.text)[:4] == SAID[:4]
    assert len(heard.words) < len(SAID)


def test_a_long_list_of_other_names_puts_none_of_them_in(
    moonshine: Moonshine, beckett: Samples
) -> None:
    names = tuple(f"Brightwater {number} Holdings" for number in range(500))

    (heard,) = moonshine.transcribe([Utterance(beckett, keywords=names)])

    assert plain(heard.text) == SAID


def test_listed_names_that_are_ordinary_words_change_no_word(
    moonshine: Moonshine, beckett: Samples
) -> None:
    names = ("Try", "Ever", "Failed", "Matter", "C++", "A+", "Better")
    plainly, told = (
        moonshine.transcribe([Utterance(beckett, keywords=each)])[0] for each in ((), names)
    )

    assert told.text == plainly.text
    assert written_as_listed(told.words, names) == told.text.split()


def test_a_name_that_the_search_favoured_is_marked(moonshine: Moonshine, beckett: Samples) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett, keywords=("No matter",))])

    assert [word.text for word in heard.words if word.leaned] == ["no", "matter"]


def turn(channel: int, start: float, end: float) -> Samples:
    """A turn of the demo call, at the rate of the engine.  Times in seconds."""
    rate, channels = read_wav(Path(str(resources.files("cli") / "demo" / "call.wav")))
    spoken = channels[channel][int(start * rate) : int(end * rate)]
    resampled: Samples = soxr.resample(spoken.astype(np.float32) / 32_768, rate, 16_000)
    return resampled


def test_words_said_again_later_lie_as_much_later(moonshine: Moonshine) -> None:
    said = turn(0, 13.5, 18.2)

    (heard,) = moonshine.transcribe([Utterance(np.concatenate([said, said]))])

    starts = np.array([word.start for word in heard.words])
    first, second = np.split(starts, 2)
    away = np.abs(second - first - len(said)) / 16_000
    assert np.median(away) < 0.05
    assert away.max() < 0.25


def test_a_part_of_a_listed_name_is_recognised_alone(moonshine: Moonshine) -> None:
    said = Utterance(turn(0, 13.5, 18.2), keywords=("Quillon", "Tobias Ekwall"))

    (heard,) = moonshine.transcribe([said])

    written = " ".join(written_as_listed(heard.words, ["Tobias Ekwall"]))
    assert "Mr. Ekwall" in written  # without the part in the list it is "Mr. Equal"


def test_a_name_with_a_comma_behind_it_is_that_name_too(moonshine: Moonshine) -> None:
    (heard,) = moonshine.transcribe([Utterance(turn(1, 32.84, 39.9), keywords=("Quillon",))])

    assert keywords_in(heard.words, ["Quillon"]) == ("Quillon",)
    assert "Quillon," in written_as_listed(heard.words, ["Quillon"])


def test_a_name_is_found_in_a_list_of_thousands(moonshine: Moonshine) -> None:
    syllables = ("ba", "den", "fi", "gor", "hel", "kin", "lom", "mus", "nar", "pel", "rust", "sil")
    others = ["".join(parts).title() for parts in product(syllables, repeat=3)]
    keywords = (*others, "Quillon")

    (heard,) = moonshine.transcribe([Utterance(turn(1, 32.84, 39.9), keywords=keywords)])

    assert len(others) > 1_500
    assert keywords_in(heard.words, keywords) == ("Quillon",)


def test_too_much_at_once_is_refused_with_the_limit(moonshine: Moonshine) -> None:
    with pytest.raises(EngineError, match="15 s at most"):
        moonshine.transcribe([Utterance(np.zeros(15 * 16_000 + 1, dtype=np.float32))])


def test_once_folded_a_start_needs_no_onnx(moonshine: Moonshine) -> None:
    asked = (
        "import sys; sys.modules['onnx'] = None; "
        "from workers.engines.moonshine import engine; engine.load()"
    )

    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_a_worker_can_turn_to_another_utterance_between_steps(moonshine: Moonshine) -> None:
    assert isinstance(moonshine, StepwiseEngine)
    assert not isinstance(moonshine, ContinuousEngine)


def test_a_partial_takes_a_step_for_the_encoder_and_steps_of_a_few_tokens(
    moonshine: Moonshine, beckett: Samples
) -> None:
    steps = list(moonshine.steps(Utterance(beckett, Effort.PARTIAL)))

    assert len(steps) >= 4


@pytest.mark.parametrize(
    "previous",
    [
        "",
        "Ever tried. Ever failed. No matter. Try again.",  # the beginning of what is said
        "Ever tried. Never mind the rest of it.",  # only the first words are right
        "Something else entirely.",
        "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better. And then?",
    ],
)
def test_the_text_of_a_partial_does_not_depend_on_the_one_before(
    moonshine: Moonshine, beckett: Samples, previous: str
) -> None:
    (heard,) = moonshine.transcribe([Utterance(beckett, Effort.PARTIAL, previous=previous)])

    assert plain(heard.text) == SAID


def test_a_partial_decodes_only_what_the_one_before_has_not(
    moonshine: Moonshine, beckett: Samples
) -> None:
    alone = list(moonshine.steps(Utterance(beckett, Effort.PARTIAL)))
    (heard,) = moonshine.transcribe([Utterance(beckett, Effort.PARTIAL)])

    again = list(moonshine.steps(Utterance(beckett, Effort.PARTIAL, previous=heard.text)))

    assert len(again) <= 3 < len(alone)  # the encoder, one run over all tokens, perhaps the end
