"""Audio that is kept: exactly the same samples, in as little memory as their encoding needs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import Encoding, Pcm, decode
from protocol.events import Account
from streaming.audio.packed_audio import BLOCK, PackedAudio
from streaming.audio.replay import LostAudio, ReceivedAudio, Replay

pytestmark = pytest.mark.usefixtures("audio_path")

SECOND = 8_000
CODES = np.random.default_rng(7).integers(256, size=4 * SECOND, dtype=np.uint8).tobytes()

LINE = {law: decode(CODES, law) for law in (Encoding.MULAW, Encoding.ALAW)}
LINEAR = np.random.default_rng(8).integers(-32_768, 32_767, 4 * SECOND, dtype=np.int16)
SILENCE = np.zeros(4 * SECOND, dtype=np.int16)


def packed(pcm: Pcm, piece: int = 640) -> PackedAudio:
    audio = PackedAudio()
    for at in range(0, len(pcm), piece):
        audio.append(pcm[at : at + piece].tobytes())
    return audio


@pytest.mark.parametrize(
    ("pcm", "most"),
    [
        (LINE[Encoding.MULAW], 4 * SECOND),
        (LINE[Encoding.ALAW], 4 * SECOND),
        (LINEAR, 8 * SECOND),
        (SILENCE, 0),
    ],
    ids=["mulaw", "alaw", "linear", "silence"],
)
def test_audio_takes_the_bytes_that_its_line_sent(pcm: Pcm, most: int) -> None:
    audio = packed(pcm)

    assert audio.held_bytes <= most + BLOCK
    assert audio.read() == pcm.tobytes()


def test_one_block_that_is_no_g711_changes_no_sample() -> None:
    pcm = LINE[Encoding.MULAW].copy()
    pcm[10_000] = 1  # no code of mu-law has this value

    assert packed(pcm).read() == pcm.tobytes()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "drop", "truncate", "read"]), st.integers(0, 3 * BLOCK // 2)
    ),
    max_size=30,
)


@given(STEPS, st.sampled_from([LINE[Encoding.MULAW], LINEAR, SILENCE]))
def test_it_holds_what_a_string_of_bytes_would_hold(steps: list[tuple[str, int]], pcm: Pcm) -> None:
    audio, model, heard = PackedAudio(), b"", 0
    for step, count in steps:
        size = 2 * count
        match step:
            case "append":
                piece = np.take(pcm, range(heard, heard + count), mode="wrap").tobytes()
                audio.append(piece)
                model, heard = model + piece, heard + count
            case "drop":
                audio.drop(size)
                model = model[size:]
            case "truncate":
                audio.truncate(size)
                model = model[:size]
            case _:
                assert audio.read(min(size, len(model))) == model[size:]
                assert audio.read(0, min(size, len(model))) == model[:size]
        assert len(audio) == len(model)
    assert audio.read() == model


def test_a_replay_gives_back_the_samples_behind_what_was_forgotten() -> None:
    line, replay = LINE[Encoding.ALAW], Replay(SECOND)
    for at in range(0, len(line), 160):
        replay.hear(at, line[at : at + 160])
    replay.forget(12_345)

    lost, heard = replay.since(12_000, len(line))

    assert lost == LostAudio(12_000, 12_345, Account.LOST_UPSTREAM, told=False)
    assert isinstance(heard, ReceivedAudio)
    assert (heard.position, heard.pcm.tolist()) == (12_345, line[12_345:].tolist())
    assert replay.held_bytes <= len(line) - 12_345 + 2 * BLOCK


def test_a_replay_of_a_silent_channel_takes_no_memory_for_whole_blocks() -> None:
    replay = Replay(SECOND)
    for at in range(0, 20 * SECOND, 160):
        replay.hear(at, SILENCE[:160])

    assert replay.held_bytes <= BLOCK
