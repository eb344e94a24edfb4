import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.engines.common.artifact_cache import MANIFEST, build_once, default_cache, intact


class Maker:
    """Writes two files and counts how often it was asked to."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "weights").write_bytes(b"heavy")
        (folder / "names").write_text("light")


def fails_half_way(folder: Path) -> None:
    (folder / "weights").write_bytes(b"hea")
    raise OSError("no space left on device")


def truncated(folder: Path) -> None:
    (folder / "weights").write_bytes(b"hea")


def changed_in_place(folder: Path) -> None:
    (folder / "weights").write_bytes(b"heavx")


def robbed(folder: Path) -> None:
    (folder / "names").unlink()


def without_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def with_nonsense_for_a_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b'{"files": 7}')


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    make = Maker()

    first = build_once(tmp_path / "cache" / "model", make)
    second = build_once(tmp_path / "cache" / "model", make)

    assert first == second
    assert make.times == 1
    assert (first / "weights").read_bytes() == b"heavy"


@pytest.mark.parametrize(
    "damage",
    [truncated, changed_in_place, robbed, without_manifest, with_nonsense_for_a_manifest],
)
def test_a_damaged_folder_is_made_anew(damage: Callable[[Path], None], tmp_path: Path) -> None:
    make = Maker()
    folder = build_once(tmp_path / "model", make)
    damage(folder)

    assert not intact(folder)
    build_once(folder, make)

    assert make.times == 2
    assert intact(folder)
    assert (folder / "weights").read_bytes() == b"heavy"


def test_an_interrupted_start_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space"):
        build_once(tmp_path / "model", fails_half_way)

    assert [path.name for path in tmp_path.iterdir()] == ["model.lock"]
    assert intact(build_once(tmp_path / "model", Maker()))


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    leftover = tmp_path / ".model.x7f3"
    leftover.mkdir()
    (leftover / "weights").write_bytes(b"hea")

    build_once(tmp_path / "model", Maker())

    assert not leftover.exists()


def test_two_that_start_at_once_make_it_once(tmp_path: Path) -> None:
    make, together = Maker(), threading.Barrier(2)
    found: list[bool] = []

    def start() -> None:
        together.wait()
        found.append(intact(build_once(tmp_path / "model", make)))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert make.times == 1
    assert found == [True, True]


def test_the_cache_is_where_the_user_wants_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "trunkline"

    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "trunkline"
