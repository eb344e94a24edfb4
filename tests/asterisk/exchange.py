"""A real Asterisk on loopback, and telephones that call it with real RTP: Debian's, unpacked by install.py."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from asterisk.install import Root

from protocol.audio import Encoding, Pcm, encode
from protocol.clock import to_ms

_CONF = Path(__file__).parent / "conf"
_READY = "Asterisk Ready"
_TAIL_MS = 1_500
"""How long a caller holds on behind its last word."""


class Exchange:
    """An Asterisk that is up.  `files` is its folder, on this side; inside it is called `inside`."""

    def __init__(self, root: Root, files: Path, sip: int, ari: int) -> None:
        self._root = root
        self._files = files
        self._sip = sip
        self.ari = ari
        """Port of its REST interface."""

    def keep(self, name: str, speech: Pcm) -> str:
        """A sound file of mu-law samples, and its name in Asterisk (without the suffix)."""
        (self._files / f"{name}.ulaw").write_bytes(encode(speech, Encoding.MULAW))
        return f"/{(self._files / name).relative_to(self._root.folder)}"

    async def call(self, number: str, speech: Pcm) -> None:
        """A telephone dials `number`, speaks and hangs up; AssertionError when the call fails."""
        inside = self.keep(number, speech)
        lasting = to_ms(len(speech)) + _TAIL_MS
        scenario = _fill("caller.xml", speech=f"{inside}.ulaw", milliseconds=lasting)
        (self._files / f"{number}.xml").write_text(scenario)
        port = str(_free_port(socket.SOCK_DGRAM))
        media = str(_free_port(socket.SOCK_DGRAM))
        where = ("-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", port, "-mp", media)
        sipp = await asyncio.create_subprocess_exec(
            *self._root.command("sipp", f"127.0.0.1:{self._sip}", "-s", number, *where),
            *("-sf", f"{inside}.xml", "-m", "1", "-nostdin"),
            *("-timeout", "60", "-timeout_error"),
            # A busy machine acknowledges late, and Asterisk says 200 twice: no reason to hang up.
            *("-default_behaviors", "all,-abortunexp"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await sipp.communicate()
        assert sipp.returncode == 0, said.decode(errors="replace")[-2_000:]


@asynccontextmanager
async def exchange(root: Root, **filled: object) -> AsyncIterator[Exchange]:
    """Start Asterisk with the files of conf/ and the values of `filled`; stop it at the end."""
    files = root.folder / "tmp" / f"trunkline-{os.getpid()}"
    inside = f"/tmp/{files.name}"
    sip, rtp = _free_port(socket.SOCK_DGRAM), _free_port(socket.SOCK_DGRAM) // 2 * 2
    ari = _free_port(socket.SOCK_STREAM)
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    for conf in _CONF.glob("*.conf"):
        said = _fill(conf.name, etc=inside, sip=sip, ari=ari, rtp=rtp, rtp_end=rtp + 99, **filled)
        (files / conf.name).write_text(said)
    asterisk = await asyncio.create_subprocess_exec(
        *root.command("asterisk", "-C", f"{inside}/asterisk.conf", "-cnvvv"),
        stdin=asyncio.subprocess.PIPE,  # kept open: its console would take an end for a command
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read(asterisk, ready))
    try:
        await ready
        yield Exchange(root, files, sip, ari)
    finally:
        if asterisk.returncode is None:
            asterisk.send_signal(signal.SIGTERM)
        sys.stdout.write(await reading)  # pytest shows it when the test fails
        shutil.rmtree(files)


async def _read(asterisk: asyncio.subprocess.Process, ready: asyncio.Future[None]) -> str:
    """All that Asterisk says on its console, until it ends."""
    assert asterisk.stdout is not None  # it is a pipe
    said: list[str] = []
    async for line in asterisk.stdout:
        said.append(line.decode(errors="replace"))
        if _READY in said[-1] and not ready.done():
            ready.set_result(None)
    if not ready.done():
        ready.set_exception(AssertionError(f"Asterisk ended before it was ready: {said[-20:]}"))
    await asterisk.wait()
    return "".join(said)


def _fill(name: str, **filled: object) -> str:
    """A file of conf/ with a value for each @name@ in it."""
    text = (_CONF / name).read_text()
    for place, value in filled.items():
        text = text.replace(f"@{place}@", str(value))
    return text


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
