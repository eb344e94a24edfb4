"""
Templates: what a site wants to know of its calls.

A file (TOML) has `[site]`, for all tenants, and `[tenants.NAME]` for tenants with a template of their own.  Without
`[site]`, only calls of the named tenants are analysed.  Pure.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from protocol.operator_error import OperatorError

MOST_QUESTIONS = 30
MOST_CHOICES = 50
LONGEST_SUMMARY = 2_000
LONGEST_ITEM = 500
MOST_ITEMS = 20

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_LONGEST_TEXT = 2_000
_LONGEST_CHOICE = 100
_KEYS = frozenset({"version", "language", "instructions", "dispositions", "questions"})

Schema = dict[str, Any]


class TemplateError(OperatorError, ValueError):
    """The file of templates is invalid.  The text says what to change."""


class AnswerKind(StrEnum):
    """What the answer to a question is."""

    YES_NO = "yes_no"
    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the site.  Its answer may always be null: the call does not tell."""

    name: str
    ask: str
    kind: AnswerKind = AnswerKind.TEXT
    choices: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """JSON schema of the answer."""
        match self.kind:
            case AnswerKind.YES_NO:
                return {"type": ["boolean", "null"]}
            case AnswerKind.NUMBER:
                return {"type": ["number", "null"]}
            case AnswerKind.CHOICE:
                return {"type": ["string", "null"], "enum": [*self.choices, None]}
            case AnswerKind.TEXT:
                return {"type": ["string", "null"], "maxLength": LONGEST_ITEM}


@dataclass(frozen=True, slots=True)
class Template:
    """The questions of a tenant.  `version`: stored with each answer."""

    version: str
    language: str = ""
    """Language of the answer; empty: that of the call."""

    instructions: str = ""
    """What the model should know of the site."""

    dispositions: tuple[str, ...] = ("resolved", "follow_up", "no_outcome")
    questions: tuple[Question, ...] = ()

    @property
    def schema(self) -> Schema:
        """JSON schema of the whole answer: all fields are required, and there are no others."""
        item = _record({"text": _text(LONGEST_ITEM), "owner": {"enum": ["agent", "customer"]}})
        item["properties"]["owner"]["type"] = "string"
        return _record(
            {
                "summary": _text(LONGEST_SUMMARY),
                "disposition": {"type": "string", "enum": list(self.dispositions)},
                "action_items": {"type": "array", "maxItems": MOST_ITEMS, "items": item},
                "answers": _record({one.name: one.schema for one in self.questions}),
            }
        )


DEFAULT = Template("default-1")
"""The template of sites that have no file."""


@dataclass(frozen=True, slots=True)
class Templates:
    """The template for all tenants, and those of single tenants."""

    site: Template | None = DEFAULT
    tenants: tuple[tuple[str, Template], ...] = ()

    def of(self, tenant: str) -> Template | None:
        """Return the template for calls of a tenant; None if they are not analysed."""
        return dict(self.tenants).get(tenant, self.site)

    @property
    def only(self) -> tuple[str, ...] | None:
        """The tenants whose calls are analysed; None for all."""
        return None if self.site is not None else tuple(name for name, _ in self.tenants)


def read_templates(text: str) -> Templates:
    """Read a file of templates.  Raises TemplateError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise TemplateError(f"the file is not TOML: {exc}") from exc
    if unknown := set(content) - {"site", "tenants"}:
        raise TemplateError(f"{min(unknown)!r} is neither [site] nor [tenants.NAME]")
    tenants = _table(content.get("tenants", {}), "tenants")
    named = tuple(
        (name, _template(one, f"tenants.{name}")) for name, one in sorted(tenants.items())
    )
    site = _template(content["site"], "site") if "site" in content else None
    if site is None and not named:
        raise TemplateError("the file has no template: begin one with [site]")
    return Templates(site, named)


def _template(content: object, where: str) -> Template:
    table = _table(content, where)
    if unknown := set(table) - _KEYS:
        raise TemplateError(f"{where} has an unknown key {min(unknown)!r}")
    version = _string(table.get("version"), f"{where}.version", 64)
    questions = _table(table.get("questions", {}), f"{where}.questions")
    if len(questions) > MOST_QUESTIONS:
        raise TemplateError(f"{where} has more than {MOST_QUESTIONS} questions")
    asked = tuple(
        _question(name, one, f"{where}.questions.{name}") for name, one in questions.items()
    )
    dispositions = DEFAULT.dispositions
    if "dispositions" in table:
        dispositions = _choices(table["dispositions"], f"{where}.dispositions")
    return Template(
        version,
        _optional(table, "language", where),
        _optional(table, "instructions", where),
        dispositions,
        asked,
    )


def _question(name: str, content: object, where: str) -> Question:
    table = _table(content, where)
    if not _NAME.fullmatch(name):
        raise TemplateError(f"{where}: a name has small letters, digits and underscores")
    if unknown := set(table) - {"ask", "type", "choices"}:
        raise TemplateError(f"{where} has an unknown key {min(unknown)!r}")
    try:
        kind = AnswerKind(str(table.get("type", AnswerKind.TEXT)))
    except ValueError as exc:
        raise TemplateError(f"{where}.type is one of {', '.join(AnswerKind)}") from exc
    if (kind is AnswerKind.CHOICE) != ("choices" in table):
        raise TemplateError(f"{where}: a choice, and only a choice, has choices")
    choices = _choices(table["choices"], f"{where}.choices") if "choices" in table else ()
    return Question(name, _string(table.get("ask"), f"{where}.ask"), kind, choices)


def _choices(content: object, where: str) -> tuple[str, ...]:
    if not isinstance(content, list) or not 0 < len(content) <= MOST_CHOICES:
        raise TemplateError(f"{where} is a list of 1 to {MOST_CHOICES} texts")
    return tuple(_string(one, where, _LONGEST_CHOICE) for one in content)


def _string(value: object, where: str, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest:
        raise TemplateError(f"{where} is a text of 1 to {longest} characters")
    return value.strip()


def _optional(table: dict[str, Any], name: str, where: str) -> str:
    return _string(table[name], f"{where}.{name}") if name in table else ""


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TemplateError(f"{where} is a table")
    return value


def _text(longest: int) -> Schema:
    return {"type": "string", "maxLength": longest}


def _record(fields: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
