"""Commands for stored calls: `calls`, `show`, `search`, `export`, `tag`, `delete`.  They use the store directly."""

import argparse
import contextlib
import getpass
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from protocol.call import adapted_call_id
from protocol.clock import to_seconds
from protocol.operator_error import OperatorError
from protocol.plain_text import json_plain, plain
from protocol.tenants import filed, parted
from transcripts.api.bodies import detail_body, list_body
from transcripts.api.errors import ApiError
from transcripts.api.parameters import ListRequest, read_list
from transcripts.database.audit_log import AuditLine
from transcripts.export import export as exported
from transcripts.listing import ListedCall
from transcripts.settings import RecorderSettings
from transcripts.store import LegalHoldError, Store, StoreError
from transcripts.transcript import CallSummary, Changes, Transcript

from .common import configuration_of, settings_of, store_url

_FILTERS = ("q", "to", "status", "role", "keyword", "language", "tag", "dialect", "agent")


def calls(options: argparse.Namespace) -> None:
    """List stored calls."""
    asked = _asked(options)
    with _store(options) as store:
        page = store.page(asked.filters, asked.limit, asked.cursor)
    if options.json:
        _print_json(list_body(page))
        return
    for one in page.calls:
        print(_line(one.call))
        _print_hits(one)
    if page.next is not None:
        print(f"more: --cursor {list_body(page).next_cursor}", file=sys.stderr)


search = calls
"""Search what was said in stored calls."""


def show(options: argparse.Namespace) -> None:
    """Print a stored call, or list the stored calls."""
    if options.call:
        transcript = stored(options, options.call)
        if options.json:
            _print_json(detail_body(transcript))
        elif options.format == "txt" and sys.stdout.isatty():
            from rich.console import Console

            from transcripts.render import render

            Console(highlight=False).print(render(transcript))
        else:
            print(exported(transcript, options.format), end="")
        return
    with _store(options) as store:
        for one in store.calls(options.limit):
            print(_line(one))


def export(options: argparse.Namespace) -> None:
    """Write the transcript of a stored call to a file."""
    text = exported(stored(options, options.call), options.format)
    if options.output:
        Path(options.output).write_text(text, "utf-8")
    else:
        print(text, end="")


def tag(options: argparse.Namespace) -> None:
    """Change tags, agent, notes or legal hold of a stored call."""
    call = stored(options, options.call).call
    removed = {one[1:] for one in options.tags if one.startswith("-")}
    added = {one for one in options.tags if not one.startswith("-")}
    if any(not 0 < len(one) <= 64 for one in added):
        raise OperatorError("a tag has 1 to 64 characters")
    tags = tuple(sorted((set(call.tags) | added) - removed)) if options.tags else None
    held = None if options.legal_hold is None else options.legal_hold == "on"
    with _store(options) as store:
        store.describe(call.call_id, Changes(options.agent, options.notes, tags, held))
        store.audit(_audit_line("change", call.call_id))
    if options.json:
        _print_json(detail_body(stored(options, call.call_id)))


def delete(options: argparse.Namespace) -> int:
    """Delete stored calls with everything that is kept of them.  Returns 1 if one was not deleted."""
    failed = 0
    for named in options.call:
        call_id = stored(options, named).call.call_id
        try:
            with _store(options) as store:
                store.delete(call_id, _audit_line("delete", call_id))
        except LegalHoldError:
            print(f"trunkline: {plain(named)} is under legal hold: kept", file=sys.stderr)
            failed = 1
        else:
            _erase_in_redis(options, call_id)
    return failed


def stored(options: argparse.Namespace, call_id: str) -> Transcript:
    """Return a stored call with all its streams.  Raises StoreError if it is not stored."""
    with _store(options) as store:
        found = (store.whole(one) for one in _filed(call_id))
        transcript = next((one for one in found if one is not None), None)
    if transcript is None:
        raise StoreError(f"no call {call_id} is stored; `trunkline show` lists the calls")
    return transcript


@contextlib.contextmanager
def _store(options: argparse.Namespace) -> Iterator[Store]:
    url = store_url(settings_of(options, "recorder", RecorderSettings))
    with contextlib.closing(Store.open(url)) as store:
        yield store


def _asked(options: argparse.Namespace) -> ListRequest:
    said = {name: getattr(options, name, None) for name in _FILTERS}
    said |= {"from": options.since, "min_duration": options.min_duration}
    said |= {"order": options.order, "limit": options.limit, "cursor": options.cursor}
    pairs = [(name, value) for name, value in said.items() if value is not None]
    try:
        return read_list(pairs, options.tenant, None)
    except ApiError as exc:
        raise OperatorError(str(exc)) from exc


def _line(call: CallSummary) -> str:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.started_at))
    marks = " ".join(f"#{plain(tag)}" for tag in call.tags)
    seconds = f"{to_seconds(call.duration):7.1f} s"
    return f"{began}  {seconds}  {plain(call.dialect):8}  {plain(call.call_id)}  {marks}".rstrip()


def _print_hits(one: ListedCall) -> None:
    for hit in one.hits:
        minutes, seconds = divmod(int(to_seconds(hit.span.start)), 60)
        print(f"    {minutes:02d}:{seconds:02d} {hit.role:>8} {plain(hit.excerpt)}")


def _print_json(body: object) -> None:
    print(json_plain(msgspec.json.format(msgspec.json.encode(body), indent=2).decode()))


def _audit_line(action: str, call_id: str) -> AuditLine:
    return AuditLine(f"command line:{getpass.getuser()}", parted(call_id)[0], action, call_id)


def _erase_in_redis(options: argparse.Namespace, call_id: str) -> None:
    """Delete the event log too, if the address of Redis is configured.  Without that it expires by itself."""
    configuration = configuration_of(options)
    if not configuration.says("redis", "url"):
        return
    import asyncio

    from broker.connection import connect
    from broker.erasure import erase_call
    from broker.redis_keys import CallKeys
    from protocol.settings import RedisSettings

    settings = configuration.section("redis", RedisSettings)

    async def erase() -> None:
        redis = connect(settings)
        async with redis:
            await erase_call(redis, CallKeys.of(call_id, settings.partitions), ())

    asyncio.run(erase())


def _filed(named: str) -> list[str]:
    """Return the ids under which the call `named` may be stored: unchanged, or adapted."""
    owner, bare = parted(named)
    return list(
        dict.fromkeys(
            [named, adapted_call_id(named), filed(owner, adapted_call_id(bare)) if bare else named]
        )
    )
