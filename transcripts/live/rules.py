"""
Rules: what happens in a call causes a card, an event for webhooks, or both.  Pure.

A rule file (YAML) and the body of the API have the same form: `RuleFile`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from protocol.events import Audience
from protocol.operator_error import OperatorError
from protocol.tenants import tenant

LONGEST_FILE = 256 * 1024
MOST_RULES = 500

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
_Phrase = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Title = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Long = Annotated[str, msgspec.Meta(max_length=2_000)]
_WORD = re.compile(r"\w+")


class RuleError(OperatorError, ValueError):
    """A rule file is invalid.  The text says which rule, and what to correct."""


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """
    The condition: exactly one of `said`, `keyword`, `silence_seconds` and `talk_over_seconds`.

    `said`: phrases, one of which occurs in a final.  `keyword`: keywords of the call that a final reports as found;
    an empty list stands for any.  `by`: only channels of this role count for `said` and `keyword`.
    """

    said: Annotated[list[_Phrase], msgspec.Meta(max_length=100)] | None = None
    keyword: Annotated[list[_Phrase], msgspec.Meta(max_length=100)] | None = None
    silence_seconds: Annotated[float, msgspec.Meta(ge=1, le=3_600)] | None = None
    talk_over_seconds: Annotated[float, msgspec.Meta(ge=0.2, le=60)] | None = None
    by: Literal["agent", "customer", "mixed", "anyone"] = "anyone"

    @property
    def conditions(self) -> int:
        """The number of conditions that are given."""
        values = (self.said, self.keyword, self.silence_seconds, self.talk_over_seconds)
        return sum(value is not None for value in values)

    @cached_property
    def phrases(self) -> frozenset[tuple[str, ...]]:
        """The words of the phrases in `said`."""
        return frozenset(map(words_of, self.said or ()))

    @cached_property
    def keywords(self) -> frozenset[str]:
        """The case-folded terms in `keyword`."""
        return frozenset(term.casefold() for term in self.keyword or ())


class CardText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The card that a rule adds.  `for`: who should see it."""

    title: _Title
    text: _Long = ""
    link: _Long = ""
    audience: Audience = msgspec.field(name="for", default=Audience.EVERYONE)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One rule.  `name` identifies what it causes: two rules of a tenant have different names.

    `card`: the card that it adds.  `webhook`: whether webhooks get the event `rule.raised`.  `once`: at most once
    in a call; otherwise once for each cause.  `tenant`: of a file, whose calls it is for; without it, the calls of
    all tenants.
    """

    name: _Name
    when: When
    card: CardText | None = None
    webhook: bool = False
    once: bool = False
    tenant: str | None = None


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of rules."""

    rules: Annotated[list[Rule], msgspec.Meta(max_length=MOST_RULES)] = []


def read_yaml(content: bytes) -> tuple[Rule, ...]:
    """Parse and check a rule file.  Raises RuleError."""
    if len(content) > LONGEST_FILE:
        raise RuleError(f"a rule file has at most {LONGEST_FILE // 1024} KiB")
    if not content.strip():
        raise RuleError("the file is empty: it takes a list `rules`")
    try:
        return checked(msgspec.yaml.decode(content, type=RuleFile).rules)
    except msgspec.ValidationError as exc:
        raise RuleError(_advice(str(exc))) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RuleError(f"not YAML: {exc}") from exc


def read_json(content: bytes | str) -> tuple[Rule, ...]:
    """Parse and check rules in the form of the API.  Raises RuleError."""
    try:
        return checked(msgspec.json.decode(content, type=RuleFile).rules)
    except msgspec.ValidationError as exc:
        raise RuleError(_advice(str(exc))) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RuleError("the body must be JSON") from exc


def write_json(rules: Iterable[Rule]) -> str:
    """Encode rules in the form of the API."""
    return msgspec.json.encode(RuleFile(list(rules))).decode()


def checked(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return valid rules.  Raises RuleError for what the types do not say."""
    found = tuple(rules)
    for place, rule in enumerate(found):
        if wrong := _wrong(rule):
            raise RuleError(f"rule {place + 1} ({rule.name}): {wrong}")
    names = Counter((rule.tenant, rule.name) for rule in found)
    for (tenant_, name), number in names.items():
        if number > 1 or (tenant_ is not None and (None, name) in names):
            raise RuleError(
                f"two rules have the name {name}: what they cause could not be told apart"
            )
    return found


def _wrong(rule: Rule) -> str | None:
    if rule.when.conditions != 1:
        return "`when` takes one of said, keyword, silence_seconds, talk_over_seconds"
    if () in rule.when.phrases:
        return "`said` takes phrases with at least one word each"
    if rule.when.said == []:
        return "`said` takes at least one phrase"
    if rule.card is None and not rule.webhook:
        return "a rule takes `card`, or `webhook: true`, or both"
    if rule.card and rule.card.link and not is_web_link(rule.card.link):
        return "`link` is a URL that begins with https:// or http://"
    try:
        tenant(rule.tenant or "")
    except ValueError as exc:
        return str(exc)
    return None


def _advice(text: str) -> str:
    """Add what to do about fields that other systems have and this one does not."""
    if "webhook`" in text:
        return f"{text}: `webhook: true` sends the event to the webhooks of the tenant, which the API adds"
    return text


def is_web_link(text: str) -> bool:
    """Return whether a text is a URL with http or https and a host, without user name and control characters."""
    if not text.isprintable() or " " in text or "\\" in text:
        return False
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        return False


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are compared: case-folded, without punctuation and apostrophes."""
    return tuple(_WORD.findall(text.casefold().replace("'", "").replace("’", "")))
