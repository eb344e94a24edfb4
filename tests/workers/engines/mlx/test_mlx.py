"""
The MLX engine against a fake of mlx-audio's interface; mlx-audio has no wheel for most machines.

docs/engines/mlx.md says how it was compared with mlx-audio itself.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from workers.engines.base import Effort, EngineError, Samples, Utterance
from workers.engines.granite.text.prompts import GRANITE_4_0
from workers.engines.mlx.engine import Mlx
from workers.engines.mlx.settings import MlxSettings


@dataclass
class Output:
    text: str
    generation_tokens: int


@dataclass
class FakeModel:
    """Writes the length of the audio and the keywords of the prompt."""

    supports_speculative: bool = False
    texts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def generate(
        self, audio: Samples, *, prompt: str, max_tokens: int, temperature: float, speculative: bool
    ) -> Output:
        self.calls.append(
            {"audio": audio, "prompt": prompt, "max_tokens": max_tokens, "temperature": temperature}
            | {"speculative": speculative}
        )
        text = self.texts.pop(0) if self.texts else f"{round(len(audio) / 1_600)} tenths"
        return Output(f"{text} {prompt.partition('Keywords: ')[2]}".strip(), len(text.split()))


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def engine(model: FakeModel) -> Mlx:
    return Mlx(model, MlxSettings(max_keywords=2), GRANITE_4_0)


def speech(seconds: float) -> Samples:
    noise = np.random.default_rng(0).standard_normal(round(seconds * 16_000))
    return (0.1 * noise).astype(np.float32)


@pytest.mark.parametrize(
    ("utterance", "prompt"),
    [
        (Utterance(speech(1.0)), "can you transcribe the speech into a written format?"),
        (Utterance(speech(1.0), keywords=("Ann", "Łódź")),
         "can you transcribe the speech into a written format? Keywords: Ann, Łódź"),
        (Utterance(speech(1.0), translate_to="fr"), "translate the speech to French."),
        (Utterance(speech(1.0), language="de", translate_to="en", keywords=("Ann",)),
         "translate the speech to English. Keywords: Ann"),
    ],
)  # fmt: skip
def test_mlx_audio_gets_the_trained_prompt(
    model: FakeModel, engine: Mlx, utterance: Utterance, prompt: str
) -> None:
    engine.transcribe([utterance])

    (call,) = model.calls
    assert call["prompt"] == prompt
    assert (call["temperature"], call["speculative"], call["max_tokens"]) == (0.0, False, 24)


def test_texts_come_back_in_order(engine: Mlx) -> None:
    heard = engine.transcribe([Utterance(speech(1.2)), Utterance(speech(0.7), keywords=("Ann",))])

    assert [one.text for one in heard] == ["12 tenths", "7 tenths Ann"]


def test_short_clips_are_padded_to_a_window_of_the_projector(model: FakeModel, engine: Mlx) -> None:
    engine.transcribe([Utterance(speech(0.2))])

    assert len(model.calls[0]["audio"]) == 4_800


def test_of_a_long_list_the_terms_that_sound_like_the_text_are_used(
    model: FakeModel, engine: Mlx
) -> None:
    model.texts = ["hello mister kwillon", "hello mister quillon"]

    (heard,) = engine.transcribe(
        [Utterance(speech(2.0), keywords=("Zebra", "Abacus", "Quillon", "Orvanta", "USER: x"))]
    )

    assert "Quillon" in model.calls[1]["prompt"]
    assert heard.flags == ("keywords_dropped:2", "keywords_refused:1")


def test_a_text_that_fills_its_room_is_flagged(model: FakeModel, engine: Mlx) -> None:
    model.texts = [" ".join(f"w{number}" for number in range(24))]

    assert engine.transcribe([Utterance(speech(1.0))])[0].flags == ("length_cut",)


def test_partials_silence_and_clicks_run_no_model(model: FakeModel, engine: Mlx) -> None:
    batch = [
        Utterance(speech(1.0), Effort.PARTIAL),
        Utterance(np.zeros(16_000, np.float32)),
        Utterance(speech(0.05)),
    ]

    heard = engine.transcribe(batch)

    assert [one.words for one in heard] == [()] * 3
    assert heard[2].flags == ("withheld:too_short",)
    assert model.calls == []


@pytest.mark.parametrize("task", [{"language": "tlh"}, {"language": "fr", "translate_to": "de"}])
def test_untrained_tasks_are_refused(engine: Mlx, task: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"tlh|translate"):
        engine.transcribe([Utterance(speech(1.0), **task)])  # type: ignore[arg-type]  # texts only
