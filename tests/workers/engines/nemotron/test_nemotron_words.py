"""From tokens to words: times, confidence, language tags, loops; and the prompt of each language."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

tiny_nemotron = pytest.importorskip("support.tiny_nemotron")

from workers.engines.base import Effort, EngineError, Utterance  # noqa: E402
from workers.engines.nemotron.engine import Nemotron  # noqa: E402
from workers.engines.nemotron.languages import named, prompts_by_language  # noqa: E402
from workers.engines.nemotron.spelling import spelled  # noqa: E402
from workers.engines.nemotron.transducer import Emission  # noqa: E402

RATE = 16_000


class Pieces:
    """A tokenizer whose numbers are the places in a list."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces

    def id_to_token(self, id: int) -> str | None:  # noqa: A002
        return self._pieces[id]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return "".join(self._pieces[one] for one in ids).replace("▁", " ").strip()


def written(*pieces: str) -> list[str]:
    emissions = [Emission(number, number, -0.1) for number in range(len(pieces))]
    return [word.text for word in spelled(emissions, Pieces(*pieces))]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("▁good", "▁mor", "ning", "."), ["good", "morning."]),
        (("▁yes", ".", "<en-US>"), ["yes."]),
        (("▁yes", ".", "▁<en-US>", "▁no"), ["yes.", "no"]),
        (("▁ja", "▁<", "de", "-", "DE", ">"), ["ja"]),
        (("▁", "ab", "▁", "c"), ["ab", "c"]),
        (("今", "日", "は"), ["今日は"]),
        (("<ja-JP>",), []),
        ((), []),
    ],
)
def test_words_begin_with_their_mark_and_tags_are_left_out(
    pieces: tuple[str, ...], words: list[str]
) -> None:
    assert written(*pieces) == words


def test_each_word_is_where_it_was_said_and_sure(loaded: Callable[..., Nemotron]) -> None:
    engine, letter = loaded("taught"), 2_560
    (heard,) = engine.transcribe([Utterance(tiny_nemotron.spoken("lea nag mis", 1))])

    assert heard.text == "lea nag mis"
    for word, place in zip(heard.words, (1, 5, 9), strict=True):
        assert word.start is not None
        assert word.end is not None
        assert abs(word.start - place * letter) <= 2 * tiny_nemotron.FRAME
        assert abs(word.end - (place + 3) * letter) <= 2 * tiny_nemotron.FRAME
        assert word.confidence is not None
        assert 0.5 < word.confidence <= 1.0


def test_matrices_of_half_the_size_give_the_same_words(loaded: Callable[..., Nemotron]) -> None:
    engine = loaded("taught", precision="bf16")

    (heard,) = engine.transcribe([Utterance(tiny_nemotron.spoken("lea nag mis", 1))])

    assert heard.text == "lea nag mis"


def test_a_loop_is_cut(loaded: Callable[..., Nemotron]) -> None:
    heard = loaded("taught").transcribe([Utterance(tiny_nemotron.spoken("me " * 14, 1))])[0]

    assert heard.flags in {("loop_cut",), ()}
    assert len(heard.words) <= 14


def test_a_partial_shows_what_has_been_said(loaded: Callable[..., Nemotron]) -> None:
    samples = tiny_nemotron.spoken("lea nag mis", 1)[: 6 * 2_560 + 1_280]

    (heard,) = loaded("taught").transcribe([Utterance(samples, Effort.PARTIAL)])

    assert heard.text.startswith("lea n")


def test_speech_is_withheld_with_a_flag_where_the_line_is_too_quiet_for_it(
    loaded: Callable[..., Nemotron],
) -> None:
    nothing = np.zeros(RATE, np.float32)

    assert loaded("taught").transcribe([Utterance(nothing)])[0].words == ()


DICTIONARY = {
    "en-US": 0,
    "en": 7,
    "es-ES": 2,
    "es": 3,
    "zh-CN": 4,
    "zh-TW": 5,
    "haw-US": 6,
    "enGB": 9,
    "auto": 8,
}


def test_a_language_has_its_own_prompt_or_that_of_its_first_variant() -> None:
    assert prompts_by_language(DICTIONARY) == {"en": 7, "es": 3, "zh": 4}


def test_a_variant_can_be_chosen() -> None:
    locales = named(" es-ES, zh-TW,")

    assert prompts_by_language(DICTIONARY, locales) == {"en": 7, "es": 2, "zh": 5}


@pytest.mark.parametrize("locale", ["es-MX", "haw-US", "auto"])
def test_a_variant_without_a_prompt_or_of_a_language_that_was_not_trained_is_refused(
    locale: str,
) -> None:
    with pytest.raises(EngineError, match=f"no prompt for '{locale}'"):
        prompts_by_language(DICTIONARY, [locale])
