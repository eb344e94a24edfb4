"""Where the commands for stored calls find them: in the store on this machine, or at an API over HTTP."""

import argparse
import contextlib
import getpass
import os
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from protocol.calls.call import adapted_call_id
from protocol.operator_error import OperatorError
from protocol.tenants import filed, parted
from transcripts.api.messages.bodies import CallBody, ChangeBody, detail_body, list_body
from transcripts.api.messages.errors import ApiError
from transcripts.api.messages.parameters import read_list
from transcripts.database.audit_log import AuditLine
from transcripts.formats.export import export
from transcripts.search.listing import ListedCall, Page
from transcripts.store import LegalHoldError, Store, StoreError
from transcripts.text_forms import WordsForm, in_form
from transcripts.transcript import Changes, Transcript

from .common import configuration_of, settings_of, store_at, store_url
from .configuration import is_said


class CallSource(Protocol):
    """What the commands need.  Lists and reports are JSON, as the API gives it."""

    def calls(self, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return a page of calls; `parameters`: those of `GET /v1/calls`."""
        ...

    def call(self, call_id: str) -> bytes:
        """Return a call with its report."""
        ...

    def transcript(self, call_id: str, form: str, words: WordsForm = WordsForm.STORED) -> str:
        """Return the transcript of a call in a format of `export`."""
        ...

    def change(self, call_id: str, changes: ChangeBody) -> bytes:
        """Change what the site adds to a call.  Returns the call with its report."""
        ...

    def delete(self, call_id: str) -> None:
        """Delete a call with everything that is kept of it.  Raises OperatorError."""
        ...


class LocalCalls:
    """The calls of the store on this machine.  The permissions of its file decide who may use it."""

    def __init__(self, options: argparse.Namespace, store: Store) -> None:
        self._options = options
        self._store = store

    def calls(self, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        """See CallSource."""
        try:
            asked = read_list(parameters, getattr(self._options, "tenant", ""), None)
        except ApiError as exc:
            raise OperatorError(str(exc)) from exc
        page = self._store.page(asked.filters, asked.limit, asked.cursor)
        return msgspec.json.encode(list_body(page))

    def call(self, call_id: str) -> bytes:
        """See CallSource."""
        transcript = self.whole(call_id)
        analysis = self._store.analyses.of_call(transcript.call.call_id)
        return msgspec.json.encode(detail_body(transcript, analysis))

    def transcript(self, call_id: str, form: str, words: WordsForm = WordsForm.STORED) -> str:
        """See CallSource."""
        return export(in_form(self.whole(call_id), words), form)

    def change(self, call_id: str, changes: ChangeBody) -> bytes:
        """See CallSource."""
        name = self.whole(call_id).call.call_id
        tags = None if changes.tags is None else tuple(changes.tags)
        said = Changes(changes.agent, changes.notes, tags, changes.legal_hold)
        self._store.describe(name, said)
        self._store.audit(_audit_line("change", name))
        return self.call(name)

    def delete(self, call_id: str) -> None:
        """See CallSource."""
        name = self.whole(call_id).call.call_id
        try:
            self._store.delete(name, _audit_line("delete", name))
        except LegalHoldError as exc:
            raise OperatorError("this call is under legal hold: it must not be deleted") from exc
        _erase_in_redis(self._options, name)

    def latest(self, limit: int) -> list[tuple[CallBody, str]]:
        """Return the latest calls of all tenants, each with its id for these commands."""
        found = self._store.calls(limit)
        page = list_body(Page(tuple(map(ListedCall, found))))
        return [(body, one.call_id) for body, one in zip(page.calls, found, strict=True)]

    def whole(self, call_id: str) -> Transcript:
        """Return a call with all its streams.  Raises StoreError if it is not stored."""
        found = (self._store.whole(one) for one in _filed(call_id))
        transcript = next((one for one in found if one is not None), None)
        if transcript is None:
            raise StoreError(f"no call {call_id} is stored; `trunkline show` lists the calls")
        return transcript


@contextlib.contextmanager
def local_calls(options: argparse.Namespace) -> Iterator[LocalCalls]:
    """Open the store on this machine.  `demo` has no option for another one."""
    url = (
        store_at(getattr(options, "store", None))
        if _has_flags_only(options)
        else _configured(options)
    )
    with contextlib.closing(Store.open(url)) as store:
        yield LocalCalls(options, store)


@contextlib.contextmanager
def call_source(options: argparse.Namespace) -> Iterator[CallSource]:
    """Open the API if its URL is set and `--store` is not given, else the store.  Raises OperatorError."""
    if _has_flags_only(options) and not (options.api_url or options.api_key):
        with local_calls(options) as calls:
            yield calls
        return
    from transcripts.settings import ClientSettings

    settings = configuration_of(options).section("client", ClientSettings)
    if not settings.url or options.store:
        with local_calls(options) as calls:
            yield calls
        return
    if getattr(options, "tenant", ""):
        raise OperatorError("--tenant is for the store on this machine: the key names the tenant")
    from transcripts.api.client import ApiClient

    with ApiClient(settings.url, settings.key) as client:
        yield client


def _has_flags_only(options: argparse.Namespace) -> bool:
    """Return whether nothing was set but by flags: then the settings need not be read, which takes longest."""
    return not options.config and not is_said(os.environ)


def _configured(options: argparse.Namespace) -> str:
    from transcripts.settings import RecorderSettings

    return store_url(settings_of(options, "recorder", RecorderSettings))


def _audit_line(action: str, call_id: str) -> AuditLine:
    return AuditLine(f"command line:{getpass.getuser()}", parted(call_id)[0], action, call_id)


def _erase_in_redis(options: argparse.Namespace, call_id: str) -> None:
    """Delete the event log too, if the address of Redis is configured.  Without that it expires by itself."""
    configuration = configuration_of(options)
    if not configuration.says("redis", "url"):
        return
    import asyncio

    from broker.connections.connection import connect
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
