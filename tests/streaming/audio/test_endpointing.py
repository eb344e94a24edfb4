import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.audio.compiled_endpointing import new_endpointer
from streaming.audio.endpointing import Boundary, Closed, Opened, Reason
from streaming.audio.endpointing_settings import Endpointing

pytestmark = pytest.mark.usefixtures("audio_path")

# Small numbers, so that speech can be drawn: 20 ms a sign.
SMALL = Endpointing(
    preroll_ms=40,
    hangover_ms=100,
    afterroll_ms=40,
    start_voiced_ms=40,
    start_window_ms=60,
    minimum_ms=0,
    maximum_ms=2_000,
    cut_window_ms=600,
)
LEVELS = {".": 0.0, "o": 1.0, "#": 9.0}
TICKS_OF_LONGEST = 15_000 // 20


def boundaries(drawing: str, settings: Endpointing = SMALL) -> list[Boundary]:
    """
    Levels of the drawing: `.` silence, `o` quiet speech, `#` loud speech; the end of the drawing is the hang-up.
    """
    segmenter = new_endpointer(settings, None)
    found = [b for sign in drawing for b in segmenter.feed(sign != ".", LEVELS[sign])]
    return found + segmenter.close()


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("..........", [], id="silence"),
        pytest.param("....#.....", [], id="one click is not speech"),
        pytest.param("..#..#..#..", [], id="clicks far apart are not speech"),
        pytest.param(
            "....##......", [Opened(2), Closed(8, Reason.PAUSE)], id="pre-roll and after-roll"
        ),
        pytest.param(
            "....#.#.....", [Opened(2), Closed(9, Reason.PAUSE)], id="a start may have a hole"
        ),
        pytest.param(
            ".##......", [Opened(0), Closed(5, Reason.PAUSE)], id="no pre-roll before the call"
        ),
        pytest.param(
            ".##....##......",
            [Opened(0), Closed(11, Reason.PAUSE)],
            id="a short pause does not split",
        ),
        pytest.param(
            "....##", [Opened(2), Closed(6, Reason.FINISHED)], id="hang-up closes the open segment"
        ),
        pytest.param(
            "....##...",
            [Opened(2), Closed(8, Reason.FINISHED)],
            id="hang-up in a pause keeps the after-roll",
        ),
        pytest.param(
            "....##.",
            [Opened(2), Closed(7, Reason.FINISHED)],
            id="no after-roll beyond the hang-up",
        ),
        pytest.param(
            ".##.....##.....",
            [Opened(0), Closed(5, Reason.PAUSE), Opened(6), Closed(12, Reason.PAUSE)],
            id="a long pause splits",
        ),
        pytest.param(
            ".##.....#.#.....",
            [Opened(0), Closed(5, Reason.PAUSE), Opened(6), Closed(13, Reason.PAUSE)],
            id="silence lies between",
        ),
    ],
)
def test_boundaries(ticks: str, expected: list[Boundary]) -> None:
    assert boundaries(ticks) == expected


def test_preroll_never_reaches_into_the_segment_before() -> None:
    greedy = Endpointing(preroll_ms=1_000, hangover_ms=100, afterroll_ms=100, minimum_ms=0)

    found = boundaries("######......######......", greedy)

    assert found[1:3] == [Closed(11, Reason.PAUSE), Opened(11)]


def test_speech_without_end_is_cut_at_its_quietest_moment() -> None:
    # given two seconds of speech with a soft stretch, which is no pause, near the end
    drawing = "#" * 85 + "ooooo" + "#" * 40

    # when
    found = boundaries(drawing)

    # then the cut lies in its middle, and nothing is lost or doubled there
    assert found == [
        Opened(0),
        Closed(87, Reason.LENGTH),
        Opened(87),
        Closed(130, Reason.FINISHED),
    ]


def test_a_soft_moment_before_the_cut_window_is_no_boundary() -> None:
    drawing = "#" * 40 + "ooooo" + "#" * 60

    _, cut, *_ = boundaries(drawing)

    assert isinstance(cut, Closed)
    assert 70 <= cut.tick < 100


def test_a_segment_that_is_full_in_a_pause_ends_there() -> None:
    # given a pause, too short to end a segment, when the two seconds are up
    drawing = "#" * 97 + "...." + "#" * 20

    # when
    found = boundaries(drawing)

    # then the segment ends behind its words, and the next begins with its own
    assert found[1] == Closed(99, Reason.LENGTH)
    assert found[2] == Opened(99)


def test_a_scrap_is_lengthened_to_the_minimum() -> None:
    settings = Endpointing(preroll_ms=0, afterroll_ms=0, minimum_ms=400)

    opened, closed = boundaries("...###" + "." * 30, settings)

    assert closed.tick - opened.tick == 20


def test_finishing_twice_closes_once() -> None:
    segmenter = new_endpointer(SMALL, None)
    for _ in range(5):
        segmenter.feed(True, 1.0)

    assert segmenter.close() == [Closed(5, Reason.FINISHED)]
    assert segmenter.close() == []


def test_speech_that_goes_on_after_finishing_is_a_new_segment() -> None:
    segmenter = new_endpointer(SMALL, None)
    for _ in range(5):
        segmenter.feed(True, 1.0)
    segmenter.close()

    found = segmenter.feed(True, 1.0) + segmenter.feed(True, 1.0)

    assert found == [Opened(5)]


def test_nothing_reaches_back_over_audio_that_does_not_exist() -> None:
    segmenter = new_endpointer(SMALL, None)
    segmenter.feed(True, 1.0)

    segmenter.skip(100)

    assert segmenter.feed(True, 1.0) == []
    assert segmenter.feed(True, 1.0) == [Opened(101)]


def test_audio_that_does_not_exist_cannot_be_inside_a_segment() -> None:
    segmenter = new_endpointer(SMALL, None)
    for _ in range(5):
        segmenter.feed(True, 1.0)

    with pytest.raises(RuntimeError, match="open"):
        segmenter.skip(1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hangover_ms", 0),
        ("hangover_ms", 60_000),
        ("maximum_ms", 15_001),
        ("maximum_ms", 500),
        ("cut_window_ms", 12_000),
        ("start_voiced_ms", 0),
        ("start_voiced_ms", 500),
        ("preroll_ms", -1),
        ("minimum_ms", 5_000),
    ],
)
def test_settings_that_cannot_be_kept_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field.removesuffix("_ms")):
        Endpointing(**{field: value})


def test_a_call_may_have_its_own_hangover() -> None:
    assert Endpointing().with_hangover(900).hangover_ms == 900
    assert Endpointing(hangover_ms=700).with_hangover(None).hangover_ms == 700


settings = st.builds(
    Endpointing,
    preroll_ms=st.integers(0, 1_000),
    hangover_ms=st.integers(100, 1_500),
    afterroll_ms=st.integers(0, 1_000),
    start_voiced_ms=st.integers(1, 100),
    start_window_ms=st.integers(100, 300),
    minimum_ms=st.integers(0, 1_000),
    maximum_ms=st.integers(2_000, 15_000),
    cut_window_ms=st.integers(200, 1_000),
)
runs = st.lists(
    st.tuples(st.booleans(), st.integers(1, 800), st.floats(0, 1e9)), min_size=1, max_size=12
)


@given(settings=settings, runs=runs)
def test_segments_alternate_never_overlap_and_are_never_too_long(
    settings: Endpointing, runs: list[tuple[bool, int, float]]
) -> None:
    segmenter = new_endpointer(settings, None)
    longest = settings.maximum_ms // 20
    end = 0
    start: int | None = None

    def check(boundary: Boundary, earliest: int) -> None:
        nonlocal start, end
        match boundary:
            case Opened(tick):
                assert tick >= earliest, "older audio may be forgotten"
                assert start is None
                assert end <= tick < segmenter.now
                start = tick
            case Closed(tick):
                assert start is not None
                assert start < tick <= segmenter.now
                assert tick - start <= longest <= TICKS_OF_LONGEST
                start, end = None, tick

    for voiced, length, level in runs:
        for _ in range(length):
            earliest = segmenter.earliest
            for boundary in segmenter.feed(voiced, level):
                check(boundary, earliest)
            assert segmenter.earliest >= earliest
            assert (segmenter.undecided_until is None) == (start is None)
            assert start is None or segmenter.now - start < longest
    for boundary in segmenter.close():
        check(boundary, 0)
    assert start is None
