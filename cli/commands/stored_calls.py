"""
Commands for stored calls: `calls`, `show`, `search`, `export`, `tag`, `delete`.

They use the API over HTTP if its URL is set (`--url`), else the store on this machine.
"""

import argparse
import sys
import time
from pathlib import Path

import msgspec

from protocol.operator_error import OperatorError
from protocol.plain_text import json_plain, plain
from protocol.tenants import filed
from transcripts.api.messages.analysis_bodies import AnalysisBody
from transcripts.api.messages.bodies import CallBody, CallDetail, CallsBody, ChangeBody
from transcripts.text_forms import WordsForm

from ..call_source import CallSource, LocalCalls, call_source

_FILTERS = (
    "q",
    "to",
    "status",
    "role",
    "keyword",
    "language",
    "tag",
    "dialect",
    "agent",
    "metadata",
)


def calls(options: argparse.Namespace) -> None:
    """List stored calls."""
    with call_source(options) as source:
        answer = source.calls(_parameters(options))
    if options.json:
        _print_json(answer)
        return
    page = msgspec.json.decode(answer, type=CallsBody)
    _print_lines(page, options.tenant)
    if page.next_cursor is not None:
        print(f"more: --cursor {page.next_cursor}", file=sys.stderr)


search = calls
"""Search what was said in stored calls."""


def show(options: argparse.Namespace) -> None:
    """Print a stored call, or list the stored calls."""
    with call_source(options) as source:
        if not options.call:
            _print_latest(source, options.limit)
        elif options.json:
            _print_json(source.call(options.call))
        elif options.format == "txt" and sys.stdout.isatty() and isinstance(source, LocalCalls):
            from rich.console import Console

            from transcripts.formats.render import render

            Console(highlight=False).print(render(source.whole(options.call)))
        else:
            print(source.transcript(options.call, options.format), end="")
        if options.call and not options.json and options.format == "txt":
            call = msgspec.json.decode(source.call(options.call), type=CallDetail)
            print(_analysis(call.analysis), end="")


def export(options: argparse.Namespace) -> None:
    """Write the transcript of a stored call to a file."""
    with call_source(options) as source:
        text = source.transcript(options.call, options.format, WordsForm(options.words))
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    else:
        print(text, end="")


def tag(options: argparse.Namespace) -> None:
    """Change tags, agent, notes or legal hold of a stored call."""
    removed = {one[1:] for one in options.tags if one.startswith("-")}
    added = {one for one in options.tags if not one.startswith("-")}
    if any(not 0 < len(one) <= 64 for one in added):
        raise OperatorError("a tag has 1 to 64 characters")
    held = None if options.legal_hold is None else options.legal_hold == "on"
    with call_source(options) as source:
        tags: list[str] | None = None
        if options.tags:
            there = msgspec.json.decode(source.call(options.call), type=CallDetail).tags
            tags = sorted((set(there) | added) - removed)
        changes = ChangeBody(options.agent, options.notes, tags, held)
        answer = source.change(options.call, changes)
    if options.json:
        _print_json(answer)


def delete(options: argparse.Namespace) -> int:
    """Delete stored calls with everything that is kept of them.  Returns 1 if one was not deleted."""
    failed = 0
    with call_source(options) as source:
        for named in options.call:
            try:
                source.delete(named)
            except OperatorError as exc:
                print(f"trunkline: {plain(named)}: {exc}: kept", file=sys.stderr)
                failed = 1
    return failed


def _parameters(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the parameters of `GET /v1/calls`."""
    said = {name: getattr(options, name, None) for name in _FILTERS}
    said |= {"from": options.since, "min_duration": options.min_duration}
    said |= {"order": options.order, "limit": options.limit, "cursor": options.cursor}
    return [(name, value) for name, value in said.items() if value is not None]


def _print_latest(source: CallSource, limit: int) -> None:
    if isinstance(source, LocalCalls):  # of all tenants
        for one, name in source.latest(limit):
            print(_line(one, name))
        return
    page = source.calls([("limit", str(limit))])
    _print_lines(msgspec.json.decode(page, type=CallsBody), "")


def _print_lines(page: CallsBody, tenant: str) -> None:
    for one in page.calls:
        print(_line(one, filed(tenant, one.call_id)))
        for hit in one.hits:
            minutes, seconds = divmod(hit.start_ms // 1_000, 60)
            print(f"    {minutes:02d}:{seconds:02d} {hit.role:>8} {plain(hit.excerpt)}")


def _line(call: CallBody, name: str) -> str:
    """Return the line of a call in a list.  `name`: its id for these commands."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.started_at))
    marks = " ".join(f"#{plain(tag)}" for tag in call.tags)
    seconds = f"{call.duration_ms / 1_000:7.1f} s"
    return f"{began}  {seconds}  {plain(call.dialect):8}  {plain(name)}  {marks}".rstrip()


def _analysis(analysis: AnalysisBody | None) -> str:
    """Return what a language model has answered, in lines; empty if it has not."""
    if analysis is None or analysis.result is None:
        return ""
    result = analysis.result
    lines = ["", f"Summary by {plain(result.model)}: {plain(result.summary)}"]
    lines += [f"Disposition: {plain(result.disposition)}"]
    lines += [f"- {plain(one.owner)}: {plain(one.text)}" for one in result.action_items]
    lines += [f"{name}: {plain(str(value))}" for name, value in result.answers.items()]
    if result.segments_read < result.segments:
        lines.append(f"({result.segments_read} of {result.segments} segments were read)")
    return "\n".join(lines) + "\n"


def _print_json(body: bytes) -> None:
    print(json_plain(msgspec.json.format(body, indent=2).decode()))
