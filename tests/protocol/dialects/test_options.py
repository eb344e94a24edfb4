"""Options are accepted in every known form, or ignored with a warning; they never refuse a call."""

import json
from dataclasses import replace
from typing import Any

import pytest
from recordings import RECORDED_OPENINGS, opening, request

from protocol.bridge_events import CallOpened, EarlyError, WarningCode
from protocol.calls.call import Role
from protocol.dialects import registry
from protocol.dialects.base import Dialect, LateOpening
from protocol.dialects.common import call_parameters, options
from protocol.dialects.common.options import Options

SHAPES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7.5, 10**18, "", "x", "true", "1", "{", "[1", "é" * 300, [], [1], ["a"], [None],
    [[["a"]]], [{"phrase": "Acme", "boost": 20}], {}, {"a": 1}, {"a": {"b": []}}, [{}] * 3, "a,b", "/", "a@b",
)  # fmt: skip
"""One value of every JSON type at least, and the shapes that vendors document."""

ESSENTIAL = {
    "/twilio": {"event", "start", "mediaFormat", "encoding", "sampleRate", "channels"},
    "/signalwire": {"event", "start", "mediaFormat", "encoding", "sampleRate", "channels"},
    "/telnyx": {"event", "start", "media_format", "encoding", "sample_rate", "channels"},
    "/plivo": {"event", "start", "mediaFormat", "encoding", "sampleRate"},
    "/exotel": {"event", "start", "media_format", "encoding", "sample_rate"},
    "/asterisk": {"event", "format"},
    "/vonage": {"event", "content-type"},
    "/jambonz": {"type", "encoding", "sampleRateHz"},
    "/freeswitch": {"sampleRate", "mixType"},
    "/audiohook": {"version", "type", "id", "media", "parameters"},
    "/v1/calls": {"type", "channels", "encoding", "sample_rate", "token"},
    "/v1/realtime": {"type", "session", "format"},
}
"""Type of the opening message, and format of the audio after it."""

OPTIONS = {
    "keywords": "Acme", "keyterms": "Acme", "hints": ["Acme"], "call_id": "c-1", "callId": "c-1", "language": "en-US",
    "roles": "inbound:agent", "role": "agent", "partials": True, "endpointing_ms": 300, "join": "agent-customer",
    "translate_to": "de", "metadata": {"a": "b"}, "resumable": True, "after": 3, "channel_variables": {"a": "b"},
    "customParameters": {"a": "b"}, "custom_parameters": {"a": "b"}, "customConfig": {"a": "b"}, "options": {"a": "b"},
    "supportedLanguages": True, "interimResults": True, "tracks": ["inbound"], "leg": "agent", "track": "agent",
}  # fmt: skip
"""Values for any option; each name is tried in every place of the opening message."""


def places(value: Any, essential: set[str]) -> list[tuple[str, ...]]:
    """The paths of all fields that may be replaced, and of those that may be added."""
    found: list[tuple[str, ...]] = []
    if isinstance(value, dict):
        for name in [*value, *(option for option in OPTIONS if option not in value)]:
            if name not in essential:
                found.append((name,))
            found += [(name, *inner) for inner in places(value.get(name), essential)]
    return found


def with_field(value: Any, path: tuple[str, ...], new: Any) -> Any:
    name, *rest = path
    inner = with_field(value[name], tuple(rest), new) if rest else new
    return {**value, name: inner}


@pytest.mark.parametrize(
    "name", [name for name in RECORDED_OPENINGS if opening(name)[0].path in ESSENTIAL]
)
def test_no_option_in_any_shape_refuses_the_call(name: str) -> None:
    target, message = opening(name)
    essential = ESSENTIAL[target.path]

    for place in places(message, essential):
        for shape in SHAPES:
            speaker = registry.open_dialect(target)
            said = json.dumps(with_field(message, place, shape))

            opened = speaker.receive(said)

            assert isinstance(opened[0], CallOpened), (place, shape)


@pytest.mark.parametrize(
    "path",
    ["/v1/calls", "/freeswitch", "/vonage", "/asterisk", "/v1/listen", "/v3/ws", "/v1/realtime"],
)
@pytest.mark.parametrize("name", [*OPTIONS, "keyterm", "language_code", "keyterms_prompt", "extra", "tag", "utterance_end_ms", "interim_results"])  # fmt: skip
def test_no_option_of_a_url_refuses_the_call(path: str, name: str) -> None:
    audio = {"/v1/listen": "encoding=mulaw&sample_rate=8000", "/v3/ws": "sample_rate=8000"}
    for shape in SHAPES:
        value = shape if isinstance(shape, str) else json.dumps(shape)
        base = request(f"{path}?{audio.get(path, 'x=y')}", {"sec-websocket-key": "k"})
        target = replace(base, query=(*base.query, (name, value)))
        speaker = registry.open_dialect(target)

        assert isinstance(first_event(speaker, path), CallOpened), (name, value)


def first_event(speaker: Dialect, path: str) -> object:
    start = {
        "/vonage": '{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}',
        "/asterisk": "MEDIA_START channel_id:1.2 format:ulaw",
        "/v1/realtime": '{"type":"session.update","session":{}}',
    }.get(path, b"\x00\x00")
    try:
        return speaker.receive(start)[0]
    except EarlyError:
        assert isinstance(speaker, LateOpening)
        return speaker.open_late()[0]


# Options that are understood


@pytest.mark.parametrize(
    ("value", "terms"),
    [
        ("Acme, Priya Raman", ["Acme", "Priya Raman"]),
        (["Acme", "Priya Raman"], ["Acme", "Priya Raman"]),
        ('["Acme", "Priya Raman"]', ["Acme", "Priya Raman"]),
        ([{"phrase": "Acme", "boost": 20}, "Priya Raman"], ["Acme", "Priya Raman"]),
        ({"phrases": ["Acme", {"value": "Priya Raman"}]}, ["Acme", "Priya Raman"]),
        ({"Acme": 20, "Priya Raman": 1.5}, ["Acme", "Priya Raman"]),
        ({"phrase": "Acme", "boost": 20}, ["Acme"]),
        ([42], ["42"]),
        ([], []),
        (None, []),
    ],
)
def test_keywords_in_the_shapes_that_vendors_document(value: object, terms: list[str]) -> None:
    asked = Options({"hints": value})

    assert asked.terms("hints") == terms
    assert asked.warnings == []


@pytest.mark.parametrize("value", [True, 7, {"a": "b"}, [None], [[1]], [{"boost": 5}]])
def test_invalid_keywords_are_reported(value: object) -> None:
    asked = Options({"hints": value})

    assert asked.terms("hints") == []
    assert [one.code for one in asked.warnings] == [WarningCode.OPTION_IGNORED]
    assert asked.warnings[0].message.startswith("hints was ignored: ")


def test_a_list_is_used_as_far_as_it_is_understood() -> None:
    asked = Options({"hints": ["Acme", None, {"boost": 1}]})

    assert asked.terms("hints") == ["Acme"]
    assert asked.warnings[0].message == "hints was ignored: 2 of 3 items are not strings"


@pytest.mark.parametrize("value", [True, 1, "true", "TRUE", "1", "yes", "on"])
def test_true_in_any_spelling(value: object) -> None:
    assert options.boolean(value) is True


@pytest.mark.parametrize("value", [False, 0, "false", "0", "No", "off"])
def test_false_in_any_spelling(value: object) -> None:
    assert options.boolean(value) is False


@pytest.mark.parametrize(("value", "ms"), [(300, 300), ("300", 300), (300.0, 300), (10, 100), (9_000, 5_000)])  # fmt: skip
def test_a_pause_in_any_spelling_is_brought_within_its_limits(value: object, ms: int) -> None:
    assert options.hangover(value) == ms


@pytest.mark.parametrize("value", ["en-US", "EN_us", ["en-US", "de-DE"], '["en"]', " en "])
def test_a_language_in_any_shape(value: object) -> None:
    assert options.language(value) == "en"


def test_roles_are_taken_as_far_as_they_are_understood() -> None:
    call_params = call_parameters.parse_parameters(
        [("roles", '{"inbound": "agent", "outbound": "boss"}')],
        {"inbound": Role.CUSTOMER, "outbound": Role.AGENT},
    )

    assert call_params.roles == {"inbound": Role.AGENT, "outbound": Role.AGENT}
    assert "a role is one of" in call_params.warnings[0].message
