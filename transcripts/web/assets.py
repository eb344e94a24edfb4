"""The files of the pages, read once from the package.  The path of a static file contains a hash of all of them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "json": "application/json",
}
"""Content types of static files by the ending of the name."""

_PLACEHOLDER = re.compile(r"\{\{([a-z]+)\}\}")


@dataclass(frozen=True, slots=True)
class Asset:
    """The content of a response."""

    content: bytes
    media: str

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, 8.8.3)."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Assets:
    """Static files by path, such as `/static/0f3a…/js/call.js`, and HTML by file name."""

    prefix: str
    """Path of the static files: one for each state of all files, so that they never change under their path."""

    static: Mapping[str, Asset]
    html: Mapping[str, str]
    """Pages, complete but for their headers."""

    @classmethod
    def load(cls) -> "Assets":
        """Read the files of this package."""
        root = files(__package__)
        static = dict(_files(root / "static"))
        digest = hashlib.sha256()
        for name, content in sorted(static.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        prefix = f"/static/{digest.hexdigest()[:16]}"
        texts = {name: content.decode() for name, content in _files(root / "html")}
        return cls(
            prefix,
            {
                f"{prefix}/{name}": Asset(content, MEDIA[name.rpartition(".")[2]])
                for name, content in static.items()
            },
            {name: _filled(text, texts, prefix) for name, text in texts.items()},
        )

    def text(self, name: str) -> str:
        """Return the text of a static file, such as `js/text.js`."""
        return self.static[f"{self.prefix}/{name}"].content.decode()


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, bytes]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _files(one, f"{before}{one.name}/")
        elif not one.name.startswith("."):
            yield before + one.name, one.read_bytes()


def _filled(text: str, texts: Mapping[str, str], prefix: str) -> str:
    """Replace `{{static}}` by the path of static files, and `{{name}}` by the file `name`.html."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "static":
            return prefix
        return _filled(texts[f"{found[1]}.html"], texts, prefix).rstrip("\n")

    return _PLACEHOLDER.sub(value, text)
