"""A recording transcribed in one process."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cli.offline import cut_up, transcribe_recording
from cli.recording import read_recording
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance
from workers.speakers.weights import encoder_of

SPEECH = Path(__file__).parent / "speech" / "prompts"
DEMO = Path(__file__).parents[1] / "cli" / "demo" / "call.wav"


class Ticker:
    """Recognises a word in each half second of audio, however it sounds."""

    capabilities = Capabilities(name="ticker", languages=frozenset({"en"}))

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        return [
            Hypothesis(
                tuple(
                    RecognisedWord("tick", at, at + 8_000)
                    for at in range(0, len(one.samples) - 8_000, 8_000)
                )
            )
            for one in batch
        ]


def test_short_sentences_with_pauses_are_packed_up_to_the_length_of_an_engine() -> None:
    """Formerly each pause began a piece that was decoded alone, without the text before and after it."""
    pause = np.zeros(8_000, np.int16)
    spoken = [read_recording(path).channels[0] for path in sorted(SPEECH.glob("*.wav"))[:8]]
    pcm = np.concatenate([part for one in spoken for part in (one, pause)])

    cuts = [(cut.span.start, cut.span.end) for cut in cut_up(0, pcm)]
    shorter = [cut.span.end - cut.span.start for cut in cut_up(0, pcm, 6.0)]

    assert max(end - start for start, end in cuts) <= 14 * 8_000
    assert len(cuts) < len(spoken)
    assert min(end - start for start, end in cuts[:-1]) >= 6 * 8_000
    assert max(shorter) <= 6 * 8_000


@pytest.mark.long
def test_the_demo_call_in_one_channel_has_its_two_speakers_and_one_party_alone_has_one() -> None:
    """Formerly all of it was one speaker: segments of a recording have several turns."""
    if (encoder := encoder_of()) is None:
        pytest.skip("no weights: `make install`, or trunkline fetch speakers")
    agent, customer = read_recording(DEMO).channels
    script = json.loads(DEMO.with_name("script.json").read_text())

    mixed, alone = (
        transcribe_recording([pcm], Ticker(), speakers=2, voices=encoder)
        for pcm in (agent + customer, agent)
    )

    labels = [
        (turn["channel"], word.speaker)
        for segment in mixed.spoken
        for word in segment.words
        for turn in script["turns"]
        if word.start is not None
        and 8_000 * turn["start"] + 4_000 <= word.start <= 8_000 * turn["end"] - 8_000
    ]
    assert len(labels) > 60
    assert sum(channel == speaker for channel, speaker in labels) / len(labels) > 0.95
    assert {word.speaker for one in alone.spoken for word in one.words} == {0}
