"""What of a model's answer is accepted: JSON by the schema, without control characters and card numbers.  Pure."""

import re
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from protocol.calls.call_metadata import without_cards
from protocol.plain_text import visible

from .template import Schema

_LONGEST = 50_000
"""Most characters of an answer."""

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


class AnswerError(Exception):
    """The answer cannot be used.  The text quotes nothing of it."""


def read_answer(content: str, schema: Schema) -> dict[str, Any]:
    """Return the answer in `content`, which may stand in a code block or after the model's thoughts."""
    if len(content) > _LONGEST:
        raise AnswerError("the answer is too long")
    text = _THOUGHTS.sub("", content)
    first, last = text.find("{"), text.rfind("}")
    try:
        found = msgspec.json.decode(text[first : last + 1].encode()) if first >= 0 else None
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as exc:
        raise AnswerError("the answer is not JSON") from exc
    if not isinstance(found, dict):
        raise AnswerError("the answer is not JSON")
    _check(found, schema)
    clean: dict[str, Any] = _clean(found)
    return clean


def _check(found: dict[str, Any], schema: Schema) -> None:
    error = next(Draft202012Validator(schema).iter_errors(found), None)
    if error is not None:
        where = ".".join(str(one) for one in error.absolute_schema_path)
        raise AnswerError(f"the answer does not fit the schema: {where[:200]}")


def _clean(value: Any) -> Any:  # noqa: ANN401  # any JSON
    match value:
        case str():
            return without_cards(visible(value))
        case list():
            return [_clean(one) for one in value]
        case dict():
            return {name: _clean(one) for name, one in value.items()}
        case _:
            return value
