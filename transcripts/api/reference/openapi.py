"""The OpenAPI document of the API (https://spec.openapis.org/oas/v3.1.0.html), from its operations.  Pure."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from ..messages.bodies import ErrorBody
from ..operations import Operation, Parameter

_PLACE = re.compile(r"\{([a-z_]+)\}")
_REFERENCE = "#/components/schemas/{name}"
_ALWAYS = (503,)
_WITH_KEY = (401, 403, 429)


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI document.  `version`: of the program."""
    kinds = [kind for one in operations for kind in _kinds(one)]
    _, components = msgspec.json.schema_components(
        [*dict.fromkeys([*kinds, ErrorBody])], ref_template=_REFERENCE
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": version,
            "description": "Calls: list, search, read, export, change, delete.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(one: Operation) -> list[type]:
    bodies = [answer.body for answer in one.answers.values()]
    return [kind for kind in (*bodies, one.body) if kind is not None]


def _operation(one: Operation) -> dict[str, Any]:
    body: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "parameters": [*map(_place, _PLACE.findall(one.path)), *map(_parameter, one.parameters)],
        "responses": _responses(one),
    }
    if one.details:
        body["description"] = one.details
    if one.scope is not None:
        body["security"] = [{"key": [str(one.scope)]}]
        body["x-scope"] = str(one.scope)
    if one.body is not None:
        body["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(one.body)}},
        }
    return body


def _responses(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, answer in one.answers.items():
        content: dict[str, Any] = {name: {"schema": _text_schema(name)} for name in answer.media}
        if answer.body is not None:
            content["application/json"] = {"schema": _schema(answer.body)}
        found[str(status)] = {"description": answer.text} | (
            {"content": content} if content else {}
        )
    keyed = _WITH_KEY if one.scope is not None else ()
    for error in sorted({*one.errors, *keyed, *_ALWAYS}):
        found[str(error)] = {
            "description": HTTPStatus(error).phrase,
            "content": {"application/json": {"schema": _schema(ErrorBody)}},
        }
    return found


def _text_schema(media: str) -> dict[str, str]:
    return {"type": "object"} if media == "application/json" else {"type": "string"}


def _schema(kind: type) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def _place(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(one: Parameter) -> dict[str, Any]:
    return {"name": one.name, "in": one.where, "description": one.text, "schema": one.schema}
