"""The audio that a channel keeps for replay after a call is taken over."""

import numpy as np
import pytest

from protocol.events import Account
from streaming.audio.replay import LostAudio, Piece, ReceivedAudio, Replay

pytestmark = pytest.mark.usefixtures("audio_path")

RATE = 100
"""Hz, so that a minute is short."""


def kept(*pieces: Piece) -> Replay:
    replay = Replay(RATE)
    for piece in pieces:
        if isinstance(piece, LostAudio):
            replay.lose(piece)
        else:
            replay.hear(piece.position, piece.pcm)
    return replay


def heard(position: int, samples: int) -> ReceivedAudio:
    return ReceivedAudio(position, np.arange(position, position + samples, dtype=np.int16))


def told(replay: Replay, start: int, end: int) -> list[tuple[str, int, int]]:
    return [(type(one).__name__, one.position, one.end) for one in replay.since(start, end)]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (0, [("ReceivedAudio", 0, 20), ("LostAudio", 20, 50), ("ReceivedAudio", 50, 60)]),
        (5, [("ReceivedAudio", 5, 20), ("LostAudio", 20, 50), ("ReceivedAudio", 50, 60)]),
        (20, [("LostAudio", 20, 50), ("ReceivedAudio", 50, 60)]),
        (30, [("LostAudio", 30, 50), ("ReceivedAudio", 50, 60)]),
        (60, []),
    ],
)
def test_what_came_behind_a_position_comes_again(
    start: int, expected: list[tuple[str, int, int]]
) -> None:
    replay = kept(heard(0, 20), LostAudio(20, 50, Account.PAUSED), heard(50, 10))

    assert told(replay, start, 60) == expected


def test_samples_are_those_of_their_place() -> None:
    (piece,) = kept(heard(0, 20)).since(7, 20)

    assert isinstance(piece, ReceivedAudio)
    assert piece.pcm.tolist() == list(range(7, 20))


def test_audio_that_is_no_longer_kept_is_reported_as_lost() -> None:
    replay = kept(*(heard(at, 10) for at in range(0, 7_000, 10)))

    first, *rest = replay.since(0, 7_000)

    assert first == LostAudio(0, 1_000, Account.LOST_UPSTREAM, told=False)
    assert rest[-1].end == 7_000
    assert sum(one.end - one.position for one in rest) == 60 * RATE


def test_what_redis_has_is_forgotten() -> None:
    replay = kept(heard(0, 20), heard(20, 20))

    replay.forget(25)

    assert told(replay, 25, 40) == [("ReceivedAudio", 25, 40)]
    assert told(replay, 0, 40) == [("LostAudio", 0, 25), ("ReceivedAudio", 25, 40)]
