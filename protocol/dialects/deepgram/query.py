"""Parses the query string of a Deepgram client."""

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from ...audio import AudioFormat, Encoding
from ...bridge_events import CallOpened, DialectError
from ...calls import call
from ...calls.call import CallConfig, Keywords, Role
from ...calls.keywords import clean, split
from ...calls.speaker_roles import role_rule
from ...calls.text_form import Signs, TextForm
from ...codecs.decoder import RATE, Codec
from ...numbers.languages import SUPPORTED
from ...redaction.policy import CARD_DATA, DataKind
from ..base import Request
from ..common import call_parameters, options
from ..common.options import Options
from ..common.text_options import text_form
from .notices import Notice, query_notices
from .search import MOST_TERMS

_CODECS = {"opus": Codec.OPUS, "ogg-opus": Codec.OPUS, "g722": Codec.G722}
"""Codecs that are decoded to linear audio at 16 kHz; `sample_rate` is ignored, because the packets define it."""

_ENCODINGS = {"mulaw": Encoding.MULAW, "alaw": Encoding.ALAW, "linear16": Encoding.L16}

_PACKED = frozenset({"flac", "speex", "amr-nb", "amr-wb", "g729"})
"""Encodings that Deepgram decodes and Trunkline does not."""

_REDACT = {
    "pci": CARD_DATA,
    "numbers": frozenset({DataKind.NUMBER}),
    "ssn": frozenset({DataKind.SSN}),
    "true": frozenset({DataKind.NUMBER}),
    "aggressive_numbers": frozenset({DataKind.NUMBER}),
    "false": frozenset[DataKind](),
}
"""The kinds of data that Deepgram's names stand for."""

_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
"""Escapes that remain in a keyterm that was escaped twice, such as `credit%2520card`."""

_SHORTEST_ENDPOINT_MS = 300
"""
Lower limit for `endpointing`.  Clients ask for 10 or 25 ms, because Deepgram keeps the context before an endpoint.
Here an endpoint ends the segment and its context.
"""

_LONGEST_ENDPOINT_MS = 5_000

_REFUSED = {
    "callback": "callback is not supported: results are sent on this connection",
}


@dataclass(frozen=True, slots=True)
class Listening:
    """The parsed query string."""

    opened: CallOpened
    audio: AudioFormat
    codec: Codec | None
    """The codec of the received audio; None if it comes in the format `audio`."""

    interim_results: bool
    vad_events: bool
    utterance_end_ms: int | None
    diarize: bool
    """Whether words carry a speaker: the voice on a mixed channel, else the channel."""

    tags: tuple[str, ...]
    extra: tuple[tuple[str, str], ...]
    """Pairs that are returned in the metadata."""

    notices: tuple[Notice, ...]
    search: tuple[str, ...] = ()
    """Terms whose places in the results are returned."""


def understand(request: Request) -> Listening:
    """
    Parse the query string.

    Raises DialectError for a wrong parameter; unknown ones are ignored with a notice.
    """
    for name, objection in _REFUSED.items():
        if request.first(name) not in (None, "", "false"):
            raise DialectError(objection)
    try:
        codec = _CODECS.get((request.first("encoding") or "").lower())
        audio = _audio(request, codec)
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
    separate = audio.channels > 1 and _truth(request, "multichannel")
    opened, asked = _opened(request, audio, audio.channels if separate else 1)
    utterance_end = asked.read("utterance_end_ms", _milliseconds, 0)
    encoding = codec.value if codec else audio.encoding.value
    opened = replace(opened, encoding=encoding, warnings=tuple(asked.warnings))
    return Listening(
        opened=opened,
        audio=audio,
        codec=codec,
        interim_results=_truth(request, "interim_results"),
        vad_events=_truth(request, "vad_events"),
        utterance_end_ms=utterance_end or None,
        diarize=_truth(request, "diarize"),
        tags=tuple(value for name, value in request.query if name == "tag"),
        extra=tuple(_extra(request).items()),
        search=_all(request, "search")[:MOST_TERMS],
        notices=query_notices(request, asked.warnings),
    )


def terms(texts: list[str]) -> list[str]:
    """Remove the boost of legacy keywords, such as `Acme:2.5`: it has no effect here."""
    return [text.rsplit(":", 1)[0] if _is_boosted(text) else text for text in texts]


def _keyterms(request: Request) -> list[str]:
    """The keyterms: one in each parameter, or a whole list as JSON."""
    return [
        term
        for name, value in request.query
        if name in ("keyterm", "keywords")
        for term in _terms_of(value, boosted=name == "keywords")
    ]


def _terms_of(value: str, *, boosted: bool) -> list[str]:
    """The terms in a parameter; `boosted`: it is the older `keywords`, whose terms carry a boost."""
    items = options.items_of(value) if value.lstrip().startswith("[") else [value]
    found = [term for item in items if (term := options.term_of(item)) is not None]
    plain = terms(found) if boosted else found
    return [unquote(one) if _ESCAPED.search(one) else one for one in plain]


def _is_boosted(text: str) -> bool:
    return text.rpartition(":")[2].lstrip("-").replace(".", "", 1).isdigit()


def _opened(request: Request, audio: AudioFormat, channels: int) -> tuple[CallOpened, Options]:
    """The event that opens the call, and the options, with the warnings so far."""
    cleaned = clean(_keyterms(request))
    extra = _extra(request)
    tags = ",".join(value for name, value in request.query if name == "tag")
    named = request.first("call_id") or extra.get("call_id")
    language = request.first("language") or "en"
    asked = Options(
        {
            "roles": request.first("roles") or extra.get("roles"),
            "language": "en" if language == "multi" else language,
            **{name: request.first(name) for name in _ASKED},
        }
    )
    spoken = asked.read("language", options.language, "en")
    opened = CallOpened(
        call_id=call.adapted_call_id(named) if named else None,
        roles=asked.read("roles", lambda text: _roles(str(text), channels), _roles("", channels)),
        rate=audio.rate,
        config=CallConfig(
            language=spoken,
            redact=_redact(request, spoken),
            form=_form(request, asked),
            keywords=Keywords(cleaned.terms),
            partials=_truth(request, "interim_results"),
            hangover_ms=_hangover(request.first("endpointing")),
            speakers=options.speakers(asked, "diarize", "speakers"),
            speaker_roles=asked.read("speaker_roles", role_rule, None),
        ),
        rejected_keywords=cleaned.rejected,
        metadata=call_parameters.kept([*extra.items(), *([("tag", tags)] if tags else [])]),
    )
    return opened, asked


_ASKED = (
    *("utterance_end_ms", "punctuate", "filler_words", "profanity_filter"),
    *("diarize", "speakers", "speaker_roles"),
)


def _form(request: Request, asked: Options) -> TextForm:
    """How the client wants the text; without an option, as the engine writes it."""
    numerals = _truth(request, "smart_format") or _truth(request, "numerals")
    form = text_form(asked, _all(request, "replace"), numerals=numerals)
    if _truth(request, "smart_format") or asked.says("punctuate"):
        return form
    return replace(form, signs=Signs.AS_HEARD)


def _all(request: Request, name: str) -> tuple[str, ...]:
    """All values of a parameter that may be repeated."""
    return tuple(value for one, value in request.query if one == name and value.strip())


def _milliseconds(value: object) -> int:
    """Milliseconds, at most 10 minutes."""
    return min(options.whole(value), 600_000)


def _extra(request: Request) -> dict[str, str]:
    """The pairs of all parameters `extra=name:value`."""
    pairs = (value.partition(":") for name, value in request.query if name == "extra")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _roles(text: str, channels: int) -> tuple[Role, ...]:
    """The roles from `agent,customer`.  Without a text, two channels are agent and customer, in this order."""
    named = split(text)
    if not named:
        return (Role.AGENT, Role.CUSTOMER) if channels == 2 else (Role.MIXED,) * channels
    if len(named) != channels or not set(named) <= set(Role):
        raise DialectError(
            f"roles must name one of {', '.join(Role)} for each of {channels} channels"
        )
    return tuple(Role(role) for role in named)


def _hangover(endpointing: str | None) -> int | None:
    if endpointing is None or not (endpointing.isascii() and endpointing.isdigit()):
        return None
    return min(max(int(endpointing[:6]), _SHORTEST_ENDPOINT_MS), _LONGEST_ENDPOINT_MS)


def _audio(request: Request, codec: Codec | None) -> AudioFormat:
    """The format of the audio after decoding."""
    channels = _whole(request, "channels", 1)
    if codec is not None:
        return AudioFormat(Encoding.L16, RATE, channels)
    return AudioFormat(_encoding(request), _whole(request, "sample_rate", 8_000), channels)


def _redact(request: Request, language: str) -> frozenset[DataKind]:
    """
    The kinds of data to redact beside those of the site (https://developers.deepgram.com/docs/redaction).

    Raises DialectError for what would stay in the text silently: an unknown kind, or another language.
    """
    said = [value for name, value in request.query if name == "redact"]
    asked = {one for value in said for one in split(value.lower())}
    if unknown := asked - set(_REDACT):
        raise DialectError(
            f"redact must be pci, numbers, ssn, and not {min(unknown)[:32]!r}, which would stay in the text"
        )
    kinds = frozenset(kind for one in asked for kind in _REDACT[one])
    if kinds and language not in SUPPORTED:
        raise DialectError(f"redact knows {', '.join(sorted(SUPPORTED))}, and not {language}")
    return kinds


def _encoding(request: Request) -> Encoding:
    name = (request.first("encoding") or "").lower()
    if name in _PACKED:
        raise DialectError(
            f"encoding {name} is not decoded here: send {', '.join([*_ENCODINGS, *_CODECS])}"
        )
    if name not in _ENCODINGS:
        raise DialectError(
            f"encoding must be {', '.join([*_ENCODINGS, *_CODECS])}, and is required for raw audio"
        )
    return _ENCODINGS[name]


def _whole(request: Request, name: str, default: int) -> int:
    text = request.first(name)
    if text in (None, ""):
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise DialectError(f"{name} must be a whole number")
    return int(text)


def _truth(request: Request, name: str) -> bool:
    return (request.first(name) or "").lower() in ("true", "1", "yes")
