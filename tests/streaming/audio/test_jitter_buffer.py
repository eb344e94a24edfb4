from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import Pcm
from streaming.audio.jitter_buffer import Gap, JitterBuffer, Late, Placed, Placement
from streaming.audio.sample_buffer import SampleBuffer

FRAME = 160


def samples(start: int, length: int = FRAME) -> Pcm:
    """Audio that says of each sample where it belongs."""
    return (np.arange(start, start + length) % 30_000).astype(np.int16)


def spans(placements: list[Placement]) -> list[tuple[str, int, int]]:
    """Readable form: type, start, end (for `Late`: number of samples)."""
    readable = []
    for placement in placements:
        match placement:
            case Placed(position, pcm):
                readable.append(("audio", position, position + len(pcm)))
            case Gap(start, end):
                readable.append(("gap", start, end))
            case Late(count):
                readable.append(("late", 0, count))
    return readable


@dataclass
class Listener:
    """Places frames and keeps the output."""

    jitter_buffer: JitterBuffer = field(default_factory=JitterBuffer)
    found: list[Placement] = field(default_factory=list)

    def frame(self, position: int | None, length: int = FRAME) -> None:
        pcm = samples(self.jitter_buffer.next if position is None else position, length)
        self.found += self.jitter_buffer.place(position, pcm)

    def frames(self, start: int, end: int) -> None:
        for position in range(start, end, FRAME):
            self.frame(position)

    def end(self) -> list[tuple[str, int, int]]:
        self.found += self.jitter_buffer.flush()
        return spans(self.found)


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_without_positions_audio_is_contiguous(listener: Listener) -> None:
    listener.frame(None)
    listener.frame(None, 80)
    listener.frame(None)

    assert listener.end() == [("audio", 0, 160), ("audio", 160, 240), ("audio", 240, 400)]


def test_frames_that_changed_places_change_back(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(320)
    listener.frame(160)
    listener.frame(480)

    assert listener.end() == [
        ("audio", 0, 160),
        ("audio", 160, 320),
        ("audio", 320, 480),
        ("audio", 480, 640),
    ]


def test_a_missing_frame_is_waited_for_and_then_becomes_a_gap(listener: Listener) -> None:
    # given a frame that never comes
    listener.frame(0)
    listener.frames(320, 1_760)
    assert spans(listener.found) == [("audio", 0, 160)], "200 ms have not gone by"

    # when more than 200 ms have come behind it
    listener.frame(1_760)

    # then
    assert spans(listener.found)[1:3] == [("gap", 160, 320), ("audio", 320, 480)]
    assert listener.jitter_buffer.next == 1_920


def test_a_frame_that_comes_after_its_gap_is_dropped_and_counted(listener: Listener) -> None:
    listener.frame(0)
    listener.frames(320, 1_920)

    listener.frame(160)
    listener.frame(1_920)

    assert ("late", 0, 160) in listener.end()


def test_a_frame_that_comes_twice_counts_once(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(0)
    listener.frame(160)
    listener.frame(480)
    listener.frame(480)
    listener.frame(320)

    found = listener.end()

    assert [f for f in found if f[0] == "audio"] == [
        ("audio", 0, 160),
        ("audio", 160, 320),
        ("audio", 320, 480),
        ("audio", 480, 640),
    ]
    assert [f for f in found if f[0] == "late"] == [("late", 0, 160), ("late", 0, 160)]


def test_overlapping_frames_are_cut(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(100)

    assert listener.end() == [("audio", 0, 160), ("late", 0, 60), ("audio", 160, 260)]


def test_a_jump_forwards_is_a_gap_at_once(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(80_000)

    assert spans(listener.found)[1:2] == [("gap", 160, 80_000)]
    assert listener.end()[-1] == ("audio", 80_000, 80_160)


def test_an_absurd_jump_is_refused(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(8_000 * 3_600 * 24)
    listener.frame(160)

    assert listener.end() == [("audio", 0, 160), ("late", 0, 160), ("audio", 160, 320)]


@pytest.mark.parametrize("restart_at", [0, 800, 8_000 * 3_600 * 24])
def test_a_bridge_that_counts_anew_is_believed_after_a_second(
    listener: Listener, restart_at: int
) -> None:
    # given
    listener.frames(0, 16_000)

    # when
    listener.frames(restart_at, restart_at + 16_000)

    # then nothing that it sent is lost, and nothing is missing
    assert listener.jitter_buffer.restarts == 1
    assert {name for name, _, _ in listener.end()} == {"audio"}
    assert listener.jitter_buffer.next == 32_000


def test_a_bridge_that_counts_anew_may_still_lose_frames(listener: Listener) -> None:
    listener.frames(0, 16_000)

    listener.frames(0, 160)
    listener.frames(320, 16_000)

    assert ("gap", 16_160, 16_320) in listener.end()


def test_audio_without_position_goes_behind_what_waits(listener: Listener) -> None:
    listener.frame(0)
    listener.frame(320)
    listener.frame(None)

    assert listener.end()[-1] == ("audio", 480, 640)


def test_an_empty_frame_says_nothing(listener: Listener) -> None:
    listener.frame(4_000, 0)

    assert listener.end() == []


frames = st.lists(st.tuples(st.none() | st.integers(-500, 6_000), st.integers(0, 400)), max_size=60)


@given(frames=frames, rate=st.sampled_from([8_000, 16_000]))
def test_what_is_placed_is_contiguous_and_everything_is_accounted_for(
    frames: list[tuple[int | None, int]], rate: int
) -> None:
    jitter_buffer = JitterBuffer(rate)
    found = [p for position, n in frames for p in jitter_buffer.place(position, samples(0, n))]
    found += jitter_buffer.flush()

    at = heard = dropped = 0
    for placement in found:
        match placement:
            case Placed(position, pcm):
                assert position == at
                at, heard = at + len(pcm), heard + len(pcm)
            case Gap(start, end):
                assert start == at < end
                at = end
            case Late(count):
                dropped += count
    assert at == jitter_buffer.next
    assert heard + dropped == sum(n for _, n in frames)


@given(
    order=st.permutations(range(10)),
    lost=st.sets(st.integers(1, 8), max_size=3),
    repeated=st.lists(st.integers(0, 9), max_size=3),
)
def test_disorder_within_the_window_changes_nothing(
    order: list[int], lost: set[int], repeated: list[int]
) -> None:
    # given ten frames of 20 ms in any order, some lost, some twice
    jitter_buffer = JitterBuffer()
    arrivals = [n for n in [*order, *repeated] if n not in lost]

    # when
    found = [p for n in arrivals for p in jitter_buffer.place(n * FRAME, samples(n * FRAME))]
    found += jitter_buffer.flush()

    # then every frame that came stands in its own place
    audio = [p for p in found if isinstance(p, Placed)]
    assert [p.position // FRAME for p in audio] == [n for n in range(10) if n not in lost]
    assert all((p.pcm == samples(p.position)).all() for p in audio)


def test_memory_is_bounded_whatever_comes() -> None:
    jitter_buffer = JitterBuffer()
    jitter_buffer.place(0, samples(0))
    held = 0

    for n in range(2_000):
        placements = jitter_buffer.place(320 + (n % 3) * FRAME, samples(0))
        held += FRAME - sum(p.samples for p in placements if isinstance(p, Late))

    assert held <= 1_600


def test_a_track_gives_back_what_is_kept_and_refuses_the_rest() -> None:
    track = SampleBuffer()
    track.append(samples(0, 1_000))
    track.forget(600)
    track.append(samples(1_000, 500))

    assert (track.start, track.end) == (600, 1_500)
    assert (track.cut(900, 1_100) == samples(900, 200)).all()
    with pytest.raises(ValueError, match="600 to 1500"):
        track.cut(599, 700)
    with pytest.raises(ValueError, match="600 to 1500"):
        track.cut(1_400, 1_501)


def test_a_track_that_jumps_has_nothing_before() -> None:
    track = SampleBuffer()
    track.append(samples(0, 100))

    track.jump(5_000)
    track.append(samples(5_000, 10))

    assert (track.start, track.end) == (5_000, 5_010)
    assert (track.cut(5_000, 5_010) == samples(5_000, 10)).all()
