"""
Free ports for servers that must know theirs before they start.

The system gives ports of its own range (32,768 and above on Linux) to every outgoing connection and to every server
that asks for port 0, so a port of that range may be taken between the choice and the start of the server.  These
ports lie below that range, and each process of pytest-xdist has a part of them of its own.
"""

import itertools
import os
import random
import socket

_FIRST, _LAST = 12_000, 22_000
"""Below 22,768, so that the port of a cluster's bus, 10,000 above, is also below the range of the system."""

_PARTS = 8
_PART = (_LAST - _FIRST) // _PARTS
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _PARTS
_START = random.randrange(_PART)  # another run of the tests on this machine begins elsewhere
_NUMBERS = (_FIRST + _WORKER * _PART + (_START + step) % _PART for step in itertools.count())


def free_port(*offsets: int) -> int:
    """Return a port that no server has, at which the ports `offsets` above are free too; never the same soon again."""
    return next(
        one for one in _NUMBERS if all(map(_is_free, (one, *(one + off for off in offsets))))
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind(("", port))  # at every address: another program may have it at one of them
        except OSError:
            return False
    return True
