"""Which program of this machine listens on a port.  Linux; only programs of the same user can be named."""

from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"
"""State of a listening socket in /proc/net/tcp (https://docs.kernel.org/networking/proc_net_tcp.html)."""


def port_owner(port: int, proc: Path = Path("/proc")) -> str | None:
    """Return `NAME, process NUMBER`; None if the system does not tell.  Blocks for some milliseconds."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(proc, port)}
    for process in proc.glob("[0-9]*") if sockets else ():
        if any(link in sockets for link in _links(process)):
            return f"{_name(process)}, process {process.name}"
    return None


def _inodes(proc: Path, port: int) -> Iterator[str]:
    """Yield the numbers of the sockets that listen on `port`."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()
        except OSError:
            continue
        for fields in map(str.split, lines[1:]):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield str(descriptor.readlink())
    except OSError:  # the process has ended, or is of another user
        return


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program"
