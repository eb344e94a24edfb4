"""What is known of a call before anybody has spoken, and what may be changed while they speak."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
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
    """`text` if it may name a call, else ValueError: it stands in keys, URLs and file names."""
    if not _CALL_ID.fullmatch(text):
        raise ValueError(
            "a call id is 1 to 128 of A-Z a-z 0-9 . _ : - and starts with one of the first three"
        )
    return text


def language(tag: str) -> str:
    """The ISO 639 code in a language tag such as `en-US`; ValueError when there is none."""
    code = re.split(r"[-_]", tag, maxsplit=1)[0].lower()
    if not _LANGUAGE.fullmatch(code):
        raise ValueError("a language is a code such as en or en-US")
    return code
