"""The demo call is shown without an error in a name, however it is cut and however loud it is."""

import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from support.live_segments import live_segments

from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.calls.keywords import name_parts
from protocol.events import Span
from workers.engines.base import Utterance
from workers.engines.moonshine.engine import Moonshine
from workers.text.keyword_match import written_as_listed

DEMO = Path(str(resources.files("cli") / "demo"))
RATE = 8_000
SCRIPT = json.loads((DEMO / "script.json").read_text("utf-8"))
KEYWORDS = tuple(SCRIPT["keywords"])
NAMES = [part for term in KEYWORDS for part in (name_parts(term) or (term,))]


def has_name(channel: int, span: Span) -> bool:
    """Whether a name is said in a turn that overlaps `span`."""
    return any(
        turn["channel"] == channel
        and turn["start"] * RATE < span.end
        and span.start < turn["end"] * RATE
        and any(name in turn["display"] for name in NAMES)
        for turn in SCRIPT["turns"]
    )


def names_in(text: str) -> dict[str, int]:
    """How often each name is in a text, spelled as listed."""
    return {name: len(re.findall(rf"\b{name}\b", text)) for name in NAMES}


def call(offset: int, gain: float) -> list[Pcm]:
    """The channels of the demo call, without their first `offset` samples."""
    channels = read_recording(DEMO / "call.wav").channels
    return [(pcm[offset:] * gain).clip(-32_768, 32_767).astype(np.int16) for pcm in channels]


@pytest.mark.parametrize(
    ("offset", "gain"),
    [
        (0, 1.0),
        pytest.param(120, 2.0, marks=pytest.mark.long),  # cut here, "Quillon" was "Quilen"
    ],
)
def test_every_name_of_the_demo_call_is_written_as_listed(
    moonshine: Moonshine, offset: int, gain: float
) -> None:
    for channel, pcm in enumerate(call(offset, gain)):
        written = list[str]()
        for span, samples in live_segments(pcm):
            if has_name(channel, span):
                (heard,) = moonshine.transcribe([Utterance(samples, keywords=KEYWORDS)])
                written += written_as_listed(heard.words, KEYWORDS)
        said = [turn["display"] for turn in SCRIPT["turns"] if turn["channel"] == channel]
        assert names_in(" ".join(written)) == names_in(" ".join(said))
