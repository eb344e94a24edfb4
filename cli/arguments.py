"""
Grammar of the command line.

Only the command that is called gets its flags, because the settings classes with their descriptions take long to
import.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .commands import COMMANDS

if TYPE_CHECKING:
    from pydantic import BaseModel

    from protocol.calls.call import RoleRule

_MODEL = "model folder or hub id, for engines with several models"

_WORKERS = "number of worker processes; default: one, and with an engine for the CPU a thread for each core"
_ONE_WORKER = "number of worker processes; default: one"
_WITH_ENGINE = ("up", "demo", "worker", "transcribe", "fetch")


def grammar(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """
    Return a parser for `arguments`; `command` of its result is the name of the command.

    Each part has its settings as flags, named like the fields of its settings class.  Commands that run an engine
    also have the settings of the engines, prefixed with the name of the engine.
    """
    parser = argparse.ArgumentParser(
        prog="trunkline", description="Live transcription of phone calls, self-hosted."
    )
    parser.add_argument("--config", help="TOML file with settings (or TRUNKLINE_CONFIG)")
    verbs = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )
    called = _called(arguments)
    for name, command in COMMANDS.items():
        verb = verbs.add_parser(name, help=command.text, description=command.text)
        if name == called:
            _fill(verb, name)
    return parser


def _called(arguments: Sequence[str]) -> str | None:
    """Return the first argument that is neither a flag nor the value of `--config`."""
    rest = iter(arguments)
    for one in rest:
        if one == "--config":
            next(rest, None)
        elif not one.startswith("-"):
            return one
    return None


def _fill(verb: argparse.ArgumentParser, name: str) -> None:
    from .sections import PARTS

    if name in PARTS:
        _settings(verb, PARTS[name])
    if name in ("up", "demo"):
        verb.add_argument("--workers", type=int, help=_WORKERS if name == "up" else _ONE_WORKER)
        verb.add_argument("--engine", help="engine of the workers")
        verb.add_argument("--model", help=_MODEL)
        verb.add_argument("--port", type=int, help="port of the gateway")
    if name in _WITH_ENGINE:
        from workers.engines import registry

        _engines(verb, registry.SETTINGS)
    if name == "bench":
        from .bench.arguments import fill as fill_bench

        fill_bench(verb)
    elif fill := _FILL.get(name):
        fill(verb)


def _settings(verb: argparse.ArgumentParser, settings: "type[BaseModel]") -> None:
    for field, about in settings.model_fields.items():
        flag = f"--{field.replace('_', '-')}"
        verb.add_argument(flag, help=(about.description or "").replace("%", "%%"))


def _engines(verb: argparse.ArgumentParser, engines: "Mapping[str, type[BaseModel]]") -> None:
    for engine, settings in engines.items():
        group = verb.add_argument_group(f"engine {engine}")
        for field, about in settings.model_fields.items():
            flag = f"--{engine}-{field}".replace("_", "-")
            group.add_argument(flag, help=(about.description or "").replace("%", "%%"))


def _call(verb: argparse.ArgumentParser) -> None:
    from .simulated_bridge import PATHS

    verb.add_argument("file", help="audio file; in a stereo file the left channel is the agent")
    verb.add_argument(
        "--dialect", choices=sorted(PATHS), default="native", help="dialect to simulate"
    )
    verb.add_argument("--url", default="ws://127.0.0.1:8080", help="URL of the gateway")
    verb.add_argument(
        "--pace", type=_pace, default=1.0, help="sending speed: 1 is real time, 2 is twice as fast"
    )
    verb.add_argument("--call-id", help="default: derived from the file name")
    verb.add_argument(
        "--key", type=_key, default="", help="key for the gateway, or @FILE to read it from a file"
    )
    _said(verb)
    verb.add_argument(
        "--translate-to", help="language of the transcript; default: the spoken language"
    )


def _key(text: str) -> str:
    """Return `text`, or the content of FILE for `@FILE`: other users can see the arguments of a process."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().strip()
    except OSError as exc:
        raise argparse.ArgumentTypeError(f"{text[1:]}: {exc.strerror}") from exc


def _pace(text: str) -> float:
    """Parse a factor above 0.  argparse prints the text of its error."""
    pace = float(text)
    if not 0 < pace < math.inf:
        raise argparse.ArgumentTypeError(
            "the pace must be greater than 0: 1 is real time, 2 is twice as fast"
        )
    return pace


def _role_rule(text: str) -> "RoleRule":
    from protocol.calls.speaker_roles import role_rule

    try:
        return role_rule(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _transcribe(verb: argparse.ArgumentParser) -> None:
    from protocol.calls.call import MOST_SPEAKERS

    verb.add_argument("file", help="audio file")
    _form(verb)
    verb.add_argument("--output", help="output file; default: standard output")
    verb.add_argument("--engine", help="engine to use")
    verb.add_argument("--model", help=_MODEL)
    verb.add_argument(
        "--speakers",
        type=int,
        default=0,
        choices=range(MOST_SPEAKERS + 1),
        metavar="N",
        help="most speakers to tell apart by voice in a file of one channel; 0: none",
    )
    verb.add_argument(
        "--speaker-roles",
        type=_role_rule,
        default="greeting",
        metavar="RULE",
        help="their roles: greeting (the agent is known by the phrases that open a call), inbound (the agent"
        " speaks first), outbound, none, or roles in the order of first speech: agent,customer",
    )
    _said(verb)


def _said(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--keywords",
        default="",
        help='names and terms to recognise: "Acme, Priya Raman"; or @FILE with one in each line',
    )
    verb.add_argument("--language", default="en", help="spoken language")


def _form(verb: argparse.ArgumentParser) -> None:
    from transcripts.formats.export import FORMS

    verb.add_argument("--format", choices=FORMS, default="txt")


def _show(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "call", nargs="?", help="call id; if it is missing, the latest calls are listed"
    )
    _form(verb)
    verb.add_argument("--limit", type=int, default=20, help="number of calls to list")
    _stored(verb)


def _stored(verb: argparse.ArgumentParser) -> None:
    _source(verb)
    verb.add_argument("--json", action="store_true", help="print JSON, as the HTTP API does")


def _source(verb: argparse.ArgumentParser) -> None:
    _api(verb)
    verb.add_argument("--store", help="SQLAlchemy URL of the store, instead of the API")


def _api(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--url", dest="api_url", help="URL of the HTTP API; default: the store on this machine"
    )
    verb.add_argument(
        "--key",
        dest="api_key",
        type=_key,
        help="key for the API, or @FILE to read it from a file",
    )


def _listed(verb: argparse.ArgumentParser) -> None:
    """Add the filters of a list of calls, which have the names and values of the HTTP API."""
    verb.add_argument(
        "--from", dest="since", help="calls from this time on: ISO 8601, or Unix seconds"
    )
    verb.add_argument("--to", help="calls before this time")
    for name in ("status", "role", "keyword", "language", "tag", "dialect", "agent"):
        verb.add_argument(f"--{name}", help=f"calls with this {name}")
    verb.add_argument("--metadata", help="calls about which the bridge has said NAME=VALUE")
    verb.add_argument("--min-duration", help="least duration in seconds")
    verb.add_argument("--order", help="newest, oldest or longest")
    verb.add_argument("--tenant", default="", help="tenant of the calls; default: no tenant")
    verb.add_argument("--limit", default="20", help="number of calls, at most 200")
    verb.add_argument("--cursor", help="next_cursor of the page before")
    _stored(verb)


def _search(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("q", help='words, "a phrase" in quotation marks, or begin*')
    _listed(verb)


def _export(verb: argparse.ArgumentParser) -> None:
    from transcripts.text_forms import WordsForm

    verb.add_argument("call", help="call id")
    _form(verb)
    verb.add_argument(
        "--words",
        choices=[*WordsForm],
        default=WordsForm.STORED,
        help="as the call was configured, as they were said, or with numbers as people write them",
    )
    verb.add_argument("--output", help="output file; default: standard output")
    _source(verb)


def _tag(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("call", help="call id")
    verb.add_argument("tags", nargs="*", help="tags to add; with a - before it, a tag is removed")
    verb.add_argument("--agent", help="name of the agent who took the call")
    verb.add_argument("--notes", help="notes, which replace those before")
    verb.add_argument("--legal-hold", choices=["on", "off"], help="whether it must not be deleted")
    _stored(verb)


def _delete(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("call", nargs="+", help="call ids")
    _stored(verb)


def _redact(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("what", nargs="?", help="a text file with one segment a line, or a call id")
    verb.add_argument("--policy", help="TOML file with the policy; default: card data")
    verb.add_argument("--tenant", default="", help="tenant whose policy applies")
    verb.add_argument("--language", default="en", help="language of a text file")
    verb.add_argument(
        "--dry-run", action="store_true", help="only print what would be left out; change nothing"
    )
    verb.add_argument("--check", action="store_true", help="run the tests in the policy file")
    verb.add_argument("--store", help="SQLAlchemy URL of the store")


def _rules(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--check", metavar="FILE", required=True, help="YAML file of rules")


def _webhooks(verb: argparse.ArgumentParser) -> None:
    from transcripts.webhooks.endpoint import DeliveryState
    from transcripts.webhooks.events import SUBSCRIBABLE

    actions = verb.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the webhooks of the tenant")
    add = actions.add_parser("add", help="add a webhook; its secret is shown once")
    add.add_argument("target", help="URL that gets the events")
    add.add_argument(
        "--event", action="append", required=True, choices=SUBSCRIBABLE, help="may be repeated"
    )
    add.add_argument("--description", default="", help="what it is for")
    for name, text in (
        ("delete", "delete a webhook with its deliveries"),
        ("deliveries", "list deliveries, the latest first"),
        ("redeliver", "send a delivery again"),
        ("test", "send a test"),
    ):
        actions.add_parser(name, help=text).add_argument("webhook", help="id of the webhook")
    actions.choices["redeliver"].add_argument("delivery", help="id of the delivery")
    listed = actions.choices["deliveries"]
    listed.add_argument("--state", choices=[str(state) for state in DeliveryState])
    listed.add_argument("--limit", help="number of deliveries, at most 200")
    listed.add_argument("--cursor", help="next_cursor of the page before")
    for one in actions.choices.values():
        one.add_argument("--url", dest="api_url", help="URL of the HTTP API")
        one.add_argument("--key", dest="api_key", type=_key, help="key for the API, or @FILE")


def _demo(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--browser", action="store_true", help="show the call on a page in the browser too"
    )


def _fetch(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "engine", help="engine whose model is downloaded; speakers: the encoder of voices"
    )
    verb.add_argument("--model", help=_MODEL)


def _keys(verb: argparse.ArgumentParser) -> None:
    from protocol.auth.credentials import Scope, SignerKind

    actions = verb.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a key; it is shown once")
    create.add_argument("--days", type=float, help="days until the key expires; default: never")
    create.add_argument("--note", default="", help="note about the use of the key")
    actions.add_parser("list", help="list all keys and signers, without their secrets")
    revoke = actions.add_parser("revoke", help="revoke a key or signer and close its connections")
    revoke.add_argument("name", help="id of a key, or KIND:NAME of a signer, as shown by `list`")
    trust = actions.add_parser(
        "trust",
        help=(
            "accept requests signed with a secret or private key; reads"
            " the secret or the public key from standard input"
        ),
    )
    trust.add_argument("kind", choices=[str(kind) for kind in SignerKind])
    trust.add_argument("name", help="issuer, AudioHook API key, or common name of a certificate")
    trust.add_argument("--algorithm", default="", help="for tokens: HS256, RS256, ES256 or EdDSA")
    trust.add_argument("--audience", default="", help="for tokens: required value of the aud claim")
    for one in (create, trust):
        one.add_argument("--tenant", default="", help="tenant of the key; default: no tenant")
        one.add_argument(
            "--scope",
            action="append",
            choices=[str(scope) for scope in Scope],
            help="scope of the key, may be repeated; default: ingest and read",
        )
    for one in (create, revoke, trust, actions.choices["list"]):
        one.add_argument(
            "--keys-file",
            help="key file; default: keys_file of the gateway, or a file in the data folder",
        )


_FILL: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "call": _call,
    "calls": _listed,
    "show": _show,
    "search": _search,
    "export": _export,
    "tag": _tag,
    "delete": _delete,
    "transcribe": _transcribe,
    "keys": _keys,
    "redact": _redact,
    "rules": _rules,
    "mcp": _api,
    "webhooks": _webhooks,
    "demo": _demo,
    "fetch": _fetch,
}
