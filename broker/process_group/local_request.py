"""HTTP requests between the processes of a group, over Unix sockets."""

import asyncio
from http import HTTPStatus
from pathlib import Path

from ..time_limits import TimeLimit
from .place import GroupPlace

_ANSWER_SECONDS = 2.0


async def ask(socket: Path, path: str) -> tuple[int, str] | None:
    """Return status and text of `GET path`; None if the process does not answer within two seconds."""
    try:
        async with TimeLimit(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                )
                head, _, text = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
            return int(head.split()[1]), text.decode()
    except (TimeoutError, OSError, ValueError, IndexError):
        return None


async def obstacle_of(group: GroupPlace) -> str | None:
    """Return why no process of a group accepts calls, as text for an operator; None if one of them does."""
    said = await ask(group.group_socket, "/readyz")
    if said is None:
        return "the parent process does not answer"
    status, text = said
    return None if status == HTTPStatus.OK else text.strip()
