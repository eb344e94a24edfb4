"""Grammar of the command line.  The commands themselves are passed in by `trunkline.py`."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from protocol.auth.credentials import Kind, Scope

from .simulated_bridge import PATHS

_MODEL = "model folder or hub id, for engines with several models"

Command = Callable[[argparse.Namespace], int | None]


def grammar(
    commands: Mapping[str, Command], sections: Mapping[str, type[BaseModel]], forms: Sequence[str],
    engines: Mapping[str, type[BaseModel]],
) -> argparse.ArgumentParser:  # fmt: skip
    """
    Return a parser; `run` of its result is the command.

    Each part has its settings as flags, named like the fields of its settings class.  Commands that run an engine
    also have the settings of the engines, prefixed with the name of the engine.
    """
    parser = argparse.ArgumentParser(
        prog="trunkline", description="Live transcription of phone calls, self-hosted."
    )
    parser.add_argument("--config", help="TOML file with settings (or TRUNKLINE_CONFIG)")
    verbs = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    made = {
        name: _verb(verbs, name, command, sections.get(name)) for name, command in commands.items()
    }
    for name in ("up", "demo"):
        made[name].add_argument("--workers", type=int, default=1, help="number of worker processes")
        made[name].add_argument("--engine", help="engine of the workers")
        made[name].add_argument("--model", help=_MODEL)
        made[name].add_argument("--port", type=int, help="port of the gateway")
    for name in ("up", "demo", "worker", "transcribe"):
        _engines(made[name], engines)
    _call(made["call"])
    _transcribe(made["transcribe"], forms)
    _show(made["show"], forms)
    _keys(made["keys"])
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Command,
    settings: type[BaseModel] | None,
) -> argparse.ArgumentParser:
    text = (command.__doc__ or "").split("\n")[0]
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(run=command)
    for field, about in (settings.model_fields if settings else {}).items():
        flag = f"--{field.replace('_', '-')}"
        verb.add_argument(flag, help=(about.description or "").replace("%", "%%"))
    return verb


def _engines(verb: argparse.ArgumentParser, engines: Mapping[str, type[BaseModel]]) -> None:
    for engine, settings in engines.items():
        group = verb.add_argument_group(f"engine {engine}")
        for field, about in settings.model_fields.items():
            flag = f"--{engine}-{field}".replace("_", "-")
            group.add_argument(flag, help=(about.description or "").replace("%", "%%"))


def _call(verb: argparse.ArgumentParser) -> None:
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


def _transcribe(verb: argparse.ArgumentParser, forms: Sequence[str]) -> None:
    verb.add_argument("file", help="audio file")
    verb.add_argument("--format", choices=forms, default="txt")
    verb.add_argument("--output", help="output file; default: standard output")
    verb.add_argument("--engine", help="engine to use")
    verb.add_argument("--model", help=_MODEL)
    _said(verb)


def _said(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--keywords", default="", help='names and terms to recognise: "Acme, Priya Raman"'
    )
    verb.add_argument("--language", default="en", help="spoken language")


def _show(verb: argparse.ArgumentParser, forms: Sequence[str]) -> None:
    verb.add_argument(
        "call", nargs="?", help="call id; if it is missing, the latest calls are listed"
    )
    verb.add_argument("--format", choices=forms, default="txt")
    verb.add_argument("--limit", type=int, default=20, help="number of calls to list")
    verb.add_argument("--store", help="SQLAlchemy URL of the store")


def _keys(verb: argparse.ArgumentParser) -> None:
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
    trust.add_argument("kind", choices=[str(kind) for kind in Kind])
    trust.add_argument("name", help="issuer, AudioHook API key, or common name of a certificate")
    trust.add_argument("--algorithm", default="", help="of tokens: HS256, RS256, ES256 or EdDSA")
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
