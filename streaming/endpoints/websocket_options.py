"""The bounds of the gateway's WebSocket port and of the sessions with bridges."""

import ssl
from collections.abc import Callable
from typing import Any

from ..auth.handshake import echo_subprotocol
from ..auth.ws_protocol import bounded_handshakes
from ..call.bad_messages import Tolerance
from ..settings import GatewaySettings

_HANDSHAKE_SECONDS = 5.0


def websocket_options(
    settings: GatewaySettings,
    tls: ssl.SSLContext | None,
    evicted: Callable[[], None],
    *,
    shares_port: bool = False,
) -> dict[str, Any]:
    """
    Return arguments of `websockets.serve`.

    `evicted` is called for each unfinished handshake that gives way to a newer one; `shares_port`: whether other
    processes of a group listen on the port too.
    """
    return {
        "host": settings.host,
        "port": settings.port,
        **({"reuse_port": True} if shares_port else {}),
        "ssl": tls,
        "select_subprotocol": echo_subprotocol,
        "compression": None,  # mu-law hardly compresses, and every stream would need 50 KB
        "max_size": settings.max_message_bytes,
        "max_queue": 4,  # messages of up to max_size each: the most that a connection holds
        "open_timeout": None,  # the connection has a limit of its own
        **({"ssl_handshake_timeout": _HANDSHAKE_SECONDS} if tls else {}),
        "create_connection": bounded_handshakes(evicted),
        "ping_interval": 20,
        "ping_timeout": 20,
        "server_header": "trunkline",
    }


def session_limits(settings: GatewaySettings) -> dict[str, Any]:
    """Return the arguments of `Session` that the settings give."""
    return {
        "send_limit": settings.send_seconds,
        "hold": settings.hold_seconds,
        "resume": settings.resume_seconds,
        "tolerance": Tolerance(settings.max_bad_messages, settings.strict_messages),
    }
