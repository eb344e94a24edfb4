import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workers.engines.base import EngineError
from workers.engines.common.download import fetch

CONTENT = bytes(range(256)) * 8_192
PINNED = hashlib.sha256(CONTENT).hexdigest()


class FileServer(BaseHTTPRequestHandler):
    """Serves one file whole, one broken off, and nothing else."""

    def do_GET(self) -> None:
        if self.path not in ("/whole", "/broken-off"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:100_000])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def vendor() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FileServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def ignored(what: str, part: float) -> None:
    """Ignore the progress."""


def test_a_download_is_complete_and_reports_progress(vendor: str, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []

    fetch(
        f"{vendor}/whole", PINNED, tmp_path / "file", lambda what, part: told.append((what, part))
    )

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert told[-1] == ("fetching whole", 1.0)
    assert [part for _, part in told] == sorted(part for _, part in told)


@pytest.mark.parametrize(
    ("path", "sha256", "complaint"),
    [
        ("whole", "0" * 64, "content that differs from the pinned file"),
        ("broken-off", PINNED, "ended after 100000 of 2097152 bytes"),
        ("elsewhere", PINNED, "404"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    path: str, sha256: str, complaint: str, vendor: str, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match=complaint):
        fetch(f"{vendor}/{path}", sha256, tmp_path / "file", ignored)

    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9/file could not be downloaded"):
        fetch("http://127.0.0.1:9/file", PINNED, tmp_path / "file", ignored)


def test_a_local_path_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="https or http"):
        fetch("file:///etc/hostname", PINNED, tmp_path / "file", ignored)
