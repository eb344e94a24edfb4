"""Download one file whose SHA-256 hash is pinned."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..errors import EngineError

Progress = Callable[[str, float], None]
"""Called with a description of the present work and its progress, 0 to 1."""

_CHUNK = 1 << 20
_SILENCE_SECONDS = 30.0


def fetch(url: str, sha256: str, target: Path, progress: Progress) -> None:
    """
    Download `url` to `target`.  `target` appears only when it is complete and its hash is right.

    Raises EngineError when the server cannot be reached or sends other content.  Plain http is allowed, for a
    mirror inside a site: the hash is trusted, not the connection.
    """
    # Imported here: every command imports the settings of the engines, and few download anything.
    from http.client import HTTPException  # noqa: PLC0415

    if not url.startswith(("https://", "http://")):
        raise EngineError(
            f"weights are downloaded from https or http addresses only, not from {url}"
        )
    part = target.with_name(target.name + ".part")
    try:
        digest = _copy(url, part, progress)
        if digest != sha256:
            raise EngineError(
                f"{url} sent content that differs from the pinned file (sha256 {digest})"
            )
        part.rename(target)
    except (OSError, HTTPException) as exc:
        raise EngineError(f"{url} could not be downloaded: {exc}") from exc
    finally:
        part.unlink(missing_ok=True)


def _copy(url: str, part: Path, progress: Progress) -> str:
    """Stream `url` to `part`.  Returns the SHA-256 of the content.  Raises OSError when the connection breaks."""
    from urllib.request import urlopen  # noqa: PLC0415  # see above

    digest, done = hashlib.sha256(), 0
    name = url.rpartition("/")[2]
    with (
        urlopen(url, timeout=_SILENCE_SECONDS) as answer,  # noqa: S310 (scheme checked)
        part.open("wb") as file,
    ):
        length = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(f"fetching {name}", done / length if length else 0.0)
    if length and done != length:
        raise OSError(f"the connection ended after {done} of {length} bytes")
    return digest.hexdigest()
