"""What is known of a call before anybody has spoken, and what may be changed while they speak."""

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

_LONGEST_ID = 255
"""Bytes of a call id, before any of them is escaped: as long as SIP servers take a Call-ID."""

_KEPT_OF_LONGER = 128
"""Bytes of a longer id that stand before its hash."""

_PLAIN_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{_LONGEST_ID - 1}}}", re.ASCII)
_ESCAPED_ID = re.compile(r"(?:[A-Za-z0-9._:-]|=[0-9A-F]{2})+", re.ASCII)
_SHORTENED_ID = re.compile(r"((?:[A-Za-z0-9._:-]|=[0-9A-F]{2})+)=x[0-9a-f]{32}", re.ASCII)
_PLAIN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
_FIRST_BYTES = _PLAIN_BYTES - frozenset(b"._:-")
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


class Role(StrEnum):
    """Who is heard on a channel."""

    AGENT = "agent"
    CUSTOMER = "customer"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Keywords:
    """The names that matter in a call; `revision` rises with every change and stands on each final."""

    terms: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class CallConfig:
    """How a call is to be transcribed.  A change in mid-call is a new value."""

    language: str = "en"
    """ISO 639 code of what is spoken: `en`, never `en-US`."""

    translate_to: str | None = None
    """ISO 639 code of the language to write; None writes what is spoken."""

    keywords: Keywords = Keywords()
    partials: bool = True
    hangover_ms: int | None = None
    """Silence that ends a segment; None takes the gateway's own."""

    recorded: bool = False
    """A recording: nobody is waiting at the other end, so live calls come first."""

    @property
    def task(self) -> tuple[str, str]:
        """Language spoken and language written: what a worker must be able to do."""
        return self.language, self.translate_to or self.language

    def with_keywords(self, terms: tuple[str, ...]) -> "CallConfig":
        """The same, biased towards `terms` from here on, under the next revision."""
        return replace(self, keywords=Keywords(terms, self.keywords.revision + 1))


def call_id(text: str) -> str:
    """
    `text` if it may name a call, else ValueError: it stands in keys, URLs and file names.

    Either a plain id, or what `adapted_call_id` makes of one that is not plain.
    """
    if not (_PLAIN_ID.fullmatch(text) or _is_adapted(text)):
        raise ValueError(
            f"a call id is 1 to {_LONGEST_ID} of A-Z a-z 0-9 . _ : - and starts with a letter or digit"
        )
    return text


def adapted_call_id(text: str) -> str:
    """
    The id under which a call that its bridge calls `text` is filed; ValueError for an empty text.

    Plain ids and ids that were adapted before stay as they are.  In any other, such as a SIP Call-ID
    (RFC 3261, 25.1: `word [@ word]`), each byte of UTF-8 that may not stand is written `=40`, in upper case.  No
    plain id has a `=`, so no two ids become the same, and `original_call_id` gives back the text.  More than 255
    bytes are cut, and end in a hash of all of them.
    """
    if not text:
        raise ValueError("a call id has at least one character")
    if _PLAIN_ID.fullmatch(text) or _is_adapted(text):
        return text
    data = text.encode(errors="replace")
    if len(data) <= _LONGEST_ID:
        return _escaped(data)
    return f"{_escaped(data[:_KEPT_OF_LONGER])}=x{hashlib.sha256(data).hexdigest()[:32]}"


def original_call_id(text: str) -> str | None:
    """What the bridge calls the call that is filed under `text`; None where only a hash of it is left."""
    if _SHORTENED_ID.fullmatch(text):
        return None
    return _unescaped(text).decode(errors="replace")


def _is_adapted(text: str) -> bool:
    """Whether it is the adapted form of an id that is not plain."""
    if shortened := _SHORTENED_ID.fullmatch(text):
        return len(data := _unescaped(shortened[1])) == _KEPT_OF_LONGER and (
            _escaped(data) == shortened[1]
        )
    if not _ESCAPED_ID.fullmatch(text) or len(data := _unescaped(text)) > _LONGEST_ID:
        return False
    try:
        return _escaped(data) == text and bool(data.decode())
    except UnicodeDecodeError:
        return False


def _escaped(data: bytes) -> str:
    return "".join(
        chr(byte) if byte in (_PLAIN_BYTES if place else _FIRST_BYTES) else f"={byte:02X}"
        for place, byte in enumerate(data)
    )


def _unescaped(text: str) -> bytes:
    return re.sub(rb"=([0-9A-F]{2})", lambda sign: bytes((int(sign[1], 16),)), text.encode())


def language(tag: str) -> str:
    """The ISO 639 code in a language tag such as `en-US`; ValueError when there is none."""
    code = re.split(r"[-_]", tag, maxsplit=1)[0].lower()
    if not _LANGUAGE.fullmatch(code):
        raise ValueError("a language is a code such as en or en-US")
    return code
