"""Exceeded limits are reported in the format of the dialect, if it has an error message."""

import json

import pytest
from recordings import request

from protocol.dialects import registry
from protocol.dialects.base import ErrorReporting


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/v1/calls", "error"),
        ("/v1/listen?encoding=mulaw&sample_rate=8000", "Error"),
        ("/v3/ws?sample_rate=8000&encoding=pcm_s16le", "Error"),
        ("/v1/realtime?intent=transcription", "error"),
        ("/audiohook", "disconnect"),
    ],
)
def test_the_dialect_reports_an_error_that_names_the_limit(target: str, kind: str) -> None:
    speaker = registry.open_dialect(request(target, _HEADERS))
    speaker.outbox()
    assert isinstance(speaker, ErrorReporting)

    speaker.report_error("too_fast", "audio arrives faster than 1.25 times real time")

    (said,) = speaker.outbox()
    assert json.loads(said)["type"] == kind
    assert "audio arrives faster than 1.25 times real time" in str(said)


@pytest.mark.parametrize("target", ["/twilio", "/telnyx", "/plivo", "/asterisk", "/vonage"])
def test_bridges_without_error_messages_get_only_the_close_code(target: str) -> None:
    assert not isinstance(registry.open_dialect(request(target)), ErrorReporting)


_HEADERS = {"audiohook-session-id": "e160e428-53e2-487c-977d-96989bf5c99d"}
