"""A small server with the interface of a model hub, as the hub's client uses it, over a local folder."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def hub(
    model: str,
    revision: str,
    folder: Path,
    cut: set[str] | None = None,
    asked: list[str] | None = None,
) -> Iterator[str]:
    """
    Serve the files of `folder` as `model` at `revision` while the context lasts; yields the URL.

    `cut`: names whose next download breaks off in the middle; `asked`: receives the name and `Range` of each
    download.
    """
    names = sorted(path.name for path in folder.iterdir())

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(send=False)

        def do_GET(self) -> None:
            self._answer(send=True)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, send: bool) -> None:
            path = self.path.partition("?")[0]
            if path == f"/api/models/{model}/revision/{revision}":
                siblings = [{"rfilename": name} for name in names]
                facts = {"id": model, "sha": revision, "siblings": siblings}
                return self._send(json.dumps(facts).encode(), send=send)
            if path == f"/api/models/{model}/tree/{revision}":
                tree = [
                    {
                        "type": "file",
                        "path": one,
                        "oid": "0" * 40,
                        "size": (folder / one).stat().st_size,
                    }
                    for one in names
                ]
                return self._send(json.dumps(tree).encode(), send=send)
            name = path.removeprefix(f"/{model}/resolve/{revision}/")
            if name in names:
                return self._send_file(name, send=send)
            return self.send_error(404)

        def _send_file(self, name: str, *, send: bool) -> None:
            body, part = (folder / name).read_bytes(), self.headers.get("Range", "")
            start = int(part.removeprefix("bytes=").rstrip("-") or 0) if send else 0
            if send and asked is not None:
                asked.append(f"{name} {part}".strip())
            is_cut = send and cut is not None and name in cut
            if is_cut and cut is not None:
                cut.remove(name)
            self._send(body, send=send, start=start, stop=len(body) // 2 if is_cut else None)

        def _send(
            self, body: bytes, *, send: bool, start: int = 0, stop: int | None = None
        ) -> None:
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/json")
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", revision)
            self.end_headers()
            if send:
                self.wfile.write(body[start:stop])
            self.close_connection = stop is not None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
