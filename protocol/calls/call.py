"""Configuration of a call (language, keywords, ...), and call ids."""

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

from ..redaction.policy import CARD_DATA_POLICY, DataKind, Policy
from .text_form import AS_HEARD, TextForm

_LONGEST_ID = 255
"""Most bytes of a call id before escaping: the length that SIP servers accept for a Call-ID."""

_KEPT_OF_LONGER = 128
"""Bytes of a longer id that are kept before its hash."""

_PLAIN_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{_LONGEST_ID - 1}}}", re.ASCII)
_ESCAPED_ID = re.compile(r"(?:[A-Za-z0-9._:-]|=[0-9A-F]{2})+", re.ASCII)
_SHORTENED_ID = re.compile(r"((?:[A-Za-z0-9._:-]|=[0-9A-F]{2})+)=x[0-9a-f]{32}", re.ASCII)
_PLAIN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")
_FIRST_BYTES = _PLAIN_BYTES - frozenset(b"._:-")
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)


MOST_SPEAKERS = 8
"""Most speakers that are told apart on a channel."""

USUAL_SPEAKERS = 2
"""Speakers of a call on the telephone, if it is not said."""


class Role(StrEnum):
    """Whose voice a channel carries: `agent`, `customer`, or `mixed` for both."""

    AGENT = "agent"
    CUSTOMER = "customer"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class RoleRule:
    """How the speakers of a mixed channel get the roles `agent` and `customer`.  Without values: they get none."""

    order: tuple[Role, ...] = ()
    """Roles of the speakers, in the order in which they are first heard."""

    by_greeting: bool = False
    """The agent is the speaker who opens the call as agents do.  Without effect if there is an `order`."""


NO_ROLES = RoleRule()
BY_GREETING = RoleRule(by_greeting=True)


@dataclass(frozen=True, slots=True)
class Keywords:
    """The keyword list of a call. `revision` rises with every change; each final names the revision it used."""

    terms: tuple[str, ...] = ()
    revision: int = 0


@dataclass(frozen=True, slots=True)
class CallConfig:
    """How a call is transcribed. Immutable: a change during the call makes a new object."""

    language: str = "en"
    """ISO 639 code of the spoken language: `en`, never `en-US`."""

    translate_to: str | None = None
    """ISO 639 code of the language of the transcript; None: the spoken language."""

    keywords: Keywords = Keywords()
    partials: bool = True
    hangover_ms: int | None = None
    """Silence that ends a segment, in milliseconds; None: the setting of the gateway."""

    recorded: bool = False
    """The audio is a recording: live calls are transcribed first."""

    paused: bool = False
    """The audio is not processed now, because a client of the API has paused the call."""

    redact: frozenset[DataKind] = frozenset()
    """Kinds of data that the client asks to redact, beside those of the site's policy."""

    redaction: Policy = CARD_DATA_POLICY
    """What is redacted: the policy of the site and tenant, with the kinds in `redact`. The gateway sets it."""

    keep_audio: bool = True
    """False if the client asks that the audio of this call is not kept. True: as the site's settings say."""

    form: TextForm = AS_HEARD
    """How the client wants the text. What was said is kept beside it."""

    speakers: int | None = None
    """Most speakers that are told apart on a channel with role `mixed`; 0: none; None: as the gateway is set."""

    speaker_roles: RoleRule | None = None
    """How these speakers get roles; None: as the gateway is set."""

    @property
    def task(self) -> tuple[str, str]:
        """Language spoken and language written; a worker for this call must support this task."""
        return self.language, self.translate_to or self.language

    def with_keywords(self, terms: tuple[str, ...]) -> "CallConfig":
        """A copy with `terms` as keyword list and the next revision."""
        return replace(self, keywords=Keywords(terms, self.keywords.revision + 1))


def call_id(text: str) -> str:
    """
    Return `text` if it is a valid call id, else raise ValueError. Call ids are used in keys, URLs and file names.

    Valid are plain ids, and the results of `adapted_call_id`.
    """
    if not (_PLAIN_ID.fullmatch(text) or _is_adapted(text)):
        raise ValueError(
            f"a call id is 1 to {_LONGEST_ID} characters A-Z a-z 0-9 . _ : - and starts with a letter or digit"
        )
    return text


def adapted_call_id(text: str) -> str:
    """
    The call id for a call that its bridge names `text`. Raises ValueError for an empty text.

    Plain ids and adapted ids are returned unchanged. In any other id, such as a SIP Call-ID (RFC 3261, 25.1:
    `word [@ word]`), each byte of UTF-8 that is not allowed becomes `=` and two hexadecimal digits in upper case,
    for example `=40`. Plain ids have no `=`, so two ids never become equal, and `original_call_id` returns the
    text. An id of more than 255 bytes is cut and ends in a hash of the whole id.
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
    """The bridge's own id of the call with call id `text`; None if it was cut (see `adapted_call_id`)."""
    if _SHORTENED_ID.fullmatch(text):
        return None
    return _unescaped(text).decode(errors="replace")


def _is_adapted(text: str) -> bool:
    """True if `text` is a result of `adapted_call_id` for an id that is not plain."""
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
    return re.sub(rb"=([0-9A-F]{2})", lambda match: bytes((int(match[1], 16),)), text.encode())


def language(tag: str) -> str:
    """The ISO 639 code of a language tag such as `en-US`. Raises ValueError if it has none."""
    code = re.split(r"[-_]", tag, maxsplit=1)[0].lower()
    if not _LANGUAGE.fullmatch(code):
        raise ValueError("a language is a code such as en or en-US")
    return code
