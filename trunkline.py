"""Entry point and composition root: run one command and report its errors."""

import sys
from collections.abc import Sequence

from broker.connection import UnusableRedisError
from cli.admin import doctor, keys
from cli.arguments import grammar
from cli.calls import call, show, transcribe
from cli.common import PARTS, SECTIONS
from cli.configuration import ConfigurationError
from cli.recording import RecordingError
from cli.services import gateway, recorder, worker
from cli.simulated_bridge import PlaybackError
from cli.up import demo, up
from protocol.auth.credentials import KeyringError
from runtime.local_stack import StackError
from runtime.status import StatusError
from streaming.auth.access_control import AdmissionError
from transcripts.export import FORMS
from transcripts.store import StoreError
from workers.engines import registry
from workers.engines.base import EngineError

_OUR_FAULTS_OR_YOURS = (
    AdmissionError,
    ConfigurationError,
    EngineError,
    KeyringError,
    PlaybackError,
    RecordingError,
    StackError,
    StatusError,
    StoreError,
    UnusableRedisError,
)
"""Errors whose text says what the user must do: printed without a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.  Returns 0: success, 1: a call or check failed, 2: a user error, 130: Ctrl-C."""
    commands = {
        command.__name__: command
        for command in (demo, up, call, show, transcribe, doctor, keys, gateway, worker, recorder)
    }
    options = grammar(commands, PARTS, FORMS, registry.SETTINGS).parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except _OUR_FAULTS_OR_YOURS as exc:
        print(f"trunkline: {exc}", file=sys.stderr)
        return 2
    except ConnectionRefusedError as exc:
        print(
            f"trunkline: cannot connect: {exc.strerror}; start the gateway, or check its address",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130


__all__ = ["SECTIONS", "main"]

if __name__ == "__main__":
    sys.exit(main())
