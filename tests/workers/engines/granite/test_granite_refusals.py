"""A language model that answers instead of transcribing does not become a transcript."""

from typing import Any

import pytest

from workers.engines.base import Hypothesis, Utterance
from workers.engines.granite.finals.refusals import is_answer

tiny_granite = pytest.importorskip("support.tiny_granite")

from workers.engines.granite.finals.utterance import UtteranceState, conclude  # noqa: E402 - needs the optional extra
from workers.engines.granite.text.decode import Written  # noqa: E402
from workers.engines.granite.text.stopping import StoppingRule  # noqa: E402
from workers.engines.granite.text.tokenizer import FittedKeywords  # noqa: E402

REFUSAL = "I'm sorry, but I can't transcribe this audio."


@pytest.mark.parametrize(
    "text",
    [
        REFUSAL,
        "as an AI language model i do not have ears",
        "I cannot process the request",
        "there is no audio provided",
        "please upload the recording so that I can help",
        "I am unable to listen to recordings",
    ],
)
def test_answers_of_a_language_model_are_detected(text: str) -> None:
    assert is_answer(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "i'm sorry i can't hear you",
        "the audio is breaking up",
        "i cannot find my order",
        "please provide your name",
    ],
)
def test_what_callers_say_is_no_answer(text: str) -> None:
    assert not is_answer(text.split())


def concluded(parts: Any, said: str, text: str, **task: Any) -> Hypothesis:
    """The final for audio that says `said`, of which the language model wrote `text`."""
    samples = tiny_granite.spoken(said, 2)
    tokens = parts.prompts.tokens
    (heard,) = parts.frontend.encode([parts.frontend.whole(samples)])
    session = UtteranceState(0, Utterance(samples, **task), FittedKeywords(), heard)
    ids = tokens.encode(f" {text}")
    written = Written(0, tuple(ids), (-0.1,) * len(ids), StoppingRule.SAID)
    final = conclude(session, written, session.posteriors(), tokens, 0.33)
    assert isinstance(final, Hypothesis)
    return final


def test_an_answer_without_support_in_the_audio_is_replaced_by_the_ctc_text(parts: Any) -> None:
    final = concluded(parts, "let go one garden", REFUSAL)

    assert final.text == "let go one garden"
    assert final.flags == ("answer_replaced",)


def test_a_caller_who_talks_about_models_is_transcribed(parts: Any) -> None:
    said = "as an ai model"

    final = concluded(parts, said, said)

    assert (final.text, final.flags) == (said, ())


def test_in_japanese_nothing_is_shown_instead_of_an_answer(parts: Any) -> None:
    assert concluded(parts, "let go one garden", REFUSAL, language="ja") == Hypothesis(
        flags=("answer_replaced",)
    )


def test_a_translation_that_reads_as_an_answer_is_flagged(parts: Any) -> None:
    final = concluded(parts, "let go one garden", REFUSAL, language="de", translate_to="en")

    assert final.text == REFUSAL
    assert final.flags == ("answer_suspect",)
