"""The route of kept audio: the finished file of a call, decrypted, with ranges."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from broker.http.middleware import permit_of
from protocol.auth.credentials import Permit, Scope
from protocol.kept_audio.chunk_cipher import DamagedChunkError
from protocol.kept_audio.master_keys import KeyUnwrapError, MasterKeys
from protocol.kept_audio.sealed_file import SealedChunk, chunks_of
from protocol.tenants import bare

from ...database.audit_log import AuditLine
from ...kept_audio.reading import FinishedFile
from ...kept_audio.values import MEDIA_TYPE, KeptAudio, finished_file
from ..messages.byte_ranges import ByteRange, UnsatisfiableError, read_range
from ..messages.errors import ApiError
from ..messages.parameters import single
from ..operations import Answer, Operation, Parameter
from ..threads import StoreThreads
from .call_routes import CALL

_NO_AUDIO = ApiError(404, "no_audio", "no audio of this call is kept, or it is not finished yet")
_UNREADABLE = ApiError(410, "audio_unreadable", "the audio of this call cannot be read any more")

logger = structlog.get_logger()


class ReadLog:
    """Decides which reads are written to the audit log: a player reads one file by many ranges."""

    _SECONDS = 60.0
    _MOST = 4_096

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns monotonic seconds."""
        self._clock = clock
        self._written: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def is_new(self, permit: Permit, call_id: str) -> bool:
        """Return whether this key has not read this call within a minute."""
        name, now = (permit.name, permit.tenant, call_id), self._clock()
        before = self._written.get(name)
        if before is not None and now - before < self._SECONDS:
            return False
        self._written[name] = now
        self._written.move_to_end(name)
        if len(self._written) > self._MOST:
            self._written.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class AudioRoutes:
    """Handlers of kept audio.  `keys`: None if this API has no key file."""

    store: StoreThreads
    folder: str
    keys: MasterKeys | None
    reads: ReadLog = field(default_factory=ReadLog)

    async def read_audio(self, request: Request) -> Response:
        """Return the audio of a call, or a range of it.  Raises ApiError."""
        single(request.query_params.multi_items(), ())
        permit = permit_of(request)
        call_id = permit.filed(request.path_params["call_id"])
        kept = await self.store.run(lambda store: store.kept_audio(call_id))
        if kept is None:
            raise _NO_AUDIO
        etag = f'"{kept.file}"'
        headers = _HEADERS | {"etag": etag}
        if etag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
            return Response(None, 304, headers)
        asked, if_range = (request.headers.get(name, "") for name in ("range", "if-range"))
        try:
            wanted = read_range(asked, if_range, etag, kept.size)
        except UnsatisfiableError:
            told = headers | {"content-range": f"bytes */{kept.size}"}
            return Response(None, 416, told)
        is_head = request.method == "HEAD"
        if not is_head and self.reads.is_new(permit, call_id):
            line = AuditLine(permit.name, permit.tenant, "audio", call_id)
            await self.store.run(lambda store: store.audit(line))
        file = await asyncio.to_thread(self._open, kept, call_id)
        return _response(file, kept.size, wanted, headers, is_head=is_head)

    def _open(self, kept: KeptAudio, call_id: str) -> FinishedFile:
        """Blocks.  Raises ApiError."""
        try:
            if self.keys is None:
                raise KeyUnwrapError
            key = self.keys.unwrap(kept.key, kept.file)
            return FinishedFile.open(Path(self.folder) / finished_file(kept.file), key)
        except (OSError, KeyUnwrapError, DamagedChunkError) as exc:
            logger.error(
                "audio_unreadable",
                call_id=bare(call_id),
                error=type(exc).__name__,
                remedy="check audio_folder and audio_key_file of the API",
            )
            raise _UNREADABLE from exc

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [self._operation("GET", "read_audio"), self._operation("HEAD", "audio_head")]

    def _operation(self, method: str, name: str) -> Operation:
        answers = {
            200: Answer("the audio as Ogg Opus; times are those of the call", media=(MEDIA_TYPE,)),
            206: Answer("the wanted range of it", media=(MEDIA_TYPE,)),
            304: Answer("the audio has not changed"),
            416: Answer("the range begins behind the end"),
        }
        return Operation(
            method,
            f"{CALL}/audio",
            Scope.READ,
            self.read_audio,
            name,
            "The kept audio of a call, without what was redacted",
            answers,
            (Parameter("Range", "one range of bytes", where="header"),),
            errors=(400, 404, 410),
        )


_HEADERS = {
    "accept-ranges": "bytes",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


def _response(
    file: FinishedFile,
    size: int,
    wanted: ByteRange | None,
    headers: dict[str, str],
    *,
    is_head: bool,
) -> Response:
    part = wanted or ByteRange(0, size - 1)
    headers |= {"content-length": str(part.size)}
    if wanted is not None:
        headers["content-range"] = f"bytes {part.first}-{part.last}/{size}"
    status = 200 if wanted is None else 206
    if is_head:
        file.close()
        return Response(None, status, headers, MEDIA_TYPE)
    pieces = _pieces(file, chunks_of(part.first, part.last, size))
    return StreamingResponse(pieces, status, headers, MEDIA_TYPE)


async def _pieces(file: FinishedFile, chunks: Sequence[SealedChunk]) -> AsyncIterator[bytes]:
    """Yield the plain bytes of chunks.  A damaged chunk ends the response early: its length tells the client."""
    try:
        for chunk in chunks:
            yield await asyncio.to_thread(file.read, chunk)
    finally:
        file.close()
