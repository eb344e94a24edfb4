"""The speech that ships: the demo call in `cli/demo` and the prompts in `tests/speech`."""

import json
import re
import runpy
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.sounds import Pcm, level
from support.wav import read_wav

DEMO = Path(str(resources.files("cli") / "demo"))
MAKING = Path(__file__).parents[1] / "docs" / "demo-call"
SPEECH = Path(__file__).parent / "speech"
PROMPTS = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    script: dict[str, Any] = json.loads((DEMO / "script.json").read_text("utf-8"))
    return script


@pytest.fixture(scope="module")
def call() -> list[Pcm]:
    rate, channels = read_wav(DEMO / "call.wav")
    assert rate == 8_000
    return channels


def digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def passes_luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(sum(divmod(value, 10)) for value in doubled) % 10 == 0


def test_the_demo_call_is_a_mulaw_file_of_one_to_two_minutes(
    call: list[Pcm], script: dict[str, Any]
) -> None:
    header = (DEMO / "call.wav").read_bytes()[:64]

    assert header[20:24] == b"\x07\x00\x02\x00"  # format 7 is mu-law; two channels
    assert 60 <= len(call[0]) / 8_000 <= 120
    assert script["seconds"] == pytest.approx(len(call[0]) / 8_000, abs=0.01)


def test_the_demo_call_says_that_it_is_synthetic(script: dict[str, Any]) -> None:
    assert script["synthetic"] is True
    assert "synthetic" in script["notice"].lower()
    assert "synthetic" in (DEMO / "README.md").read_text("utf-8").lower()


def test_agent_and_customer_take_turns_and_never_overlap(script: dict[str, Any]) -> None:
    turns = script["turns"]

    assert {(turn["channel"], turn["role"]) for turn in turns} == {(0, "agent"), (1, "customer")}
    assert all(turn["start"] < turn["end"] for turn in turns)
    assert all(before["end"] < after["start"] for before, after in pairwise(turns))
    assert turns[-1]["end"] < script["seconds"]


def test_the_speaking_channel_has_speech_and_the_other_faint_noise(
    call: list[Pcm], script: dict[str, Any]
) -> None:
    for turn in script["turns"]:
        heard = slice(round(turn["start"] * 8_000), round(turn["end"] * 8_000))

        assert level(call[turn["channel"]][heard]) == pytest.approx(-21, abs=3)
        assert level(call[1 - turn["channel"]][heard]) == pytest.approx(-60, abs=2)


def test_the_call_went_through_a_telephone_line(call: list[Pcm]) -> None:
    for side in call:
        power = np.abs(np.fft.rfft(side.astype(float))) ** 2
        hz = np.fft.rfftfreq(len(side), 1 / 8_000)
        outside = power[(hz < 200) | (hz > 3_600)].sum()

        assert outside / power.sum() < 0.01


def test_every_keyword_is_said_and_every_number_is_spoken_in_words(script: dict[str, Any]) -> None:
    said = " ".join(turn["text"] for turn in script["turns"])

    assert [word for word in script["keywords"] if word not in said] == []
    assert digits(said) == ""


def test_a_card_number_is_said_that_masking_must_find(script: dict[str, Any]) -> None:
    long_numbers = [
        digits(turn["display"]) for turn in script["turns"] if len(digits(turn["display"])) > 12
    ]

    assert len(long_numbers) == 1
    assert passes_luhn(long_numbers[0])


def test_the_call_says_what_its_script_in_the_documents_says(script: dict[str, Any]) -> None:
    written = runpy.run_path(str(MAKING / "call_script.py"))

    assert [turn["text"] for turn in script["turns"]] == [turn.text for turn in written["TURNS"]]
    assert script["keywords"] == list(written["KEYWORDS"])


def test_the_manifest_names_every_prompt_and_no_other() -> None:
    lying = {f"prompts/{path.name}" for path in (SPEECH / "prompts").glob("*.wav")}

    assert [prompt["file"] for prompt in PROMPTS] == sorted(lying)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: Path(prompt["file"]).stem)
def test_a_prompt_is_eight_kilohertz_mono_speech_with_its_text(prompt: dict[str, Any]) -> None:
    rate, (pcm,) = read_wav(SPEECH / prompt["file"])

    assert rate == 8_000
    assert prompt["seconds"] == pytest.approx(len(pcm) / 8_000, abs=0.01)
    assert 2 <= prompt["seconds"] <= 15
    assert level(pcm) > -35
    assert len(prompt["text"].split()) / prompt["seconds"] == pytest.approx(2.5, abs=1)


def test_some_prompt_pauses_inside() -> None:
    def longest_pause(pcm: Pcm) -> float:
        windows = pcm[: len(pcm) // 160 * 160].astype(float).reshape(-1, 160)
        power = np.mean(windows**2, axis=1)
        loud = np.flatnonzero(power > power.max() * 10**-3.5)
        return float(np.diff(loud).max() * 0.02)

    pauses = [longest_pause(read_wav(SPEECH / prompt["file"])[1][0]) for prompt in PROMPTS]

    assert max(pauses) >= 0.3


def test_the_prompts_carry_their_licence_and_their_speaker() -> None:
    licence = (SPEECH / "prompts" / "LICENCE").read_text("utf-8")

    assert "Allison Smith" in licence
    assert "CC-BY-SA-3.0" in licence
    assert {prompt["licence"] for prompt in PROMPTS} == {"CC-BY-SA-3.0"}
