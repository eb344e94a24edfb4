"""The composition root and command line: one command, and what is said when it cannot do its work."""

import sys
from collections.abc import Sequence

from commands.calls import call, show, transcribe
from commands.common import PARTS, SECTIONS
from commands.parts import gateway, recorder, worker
from commands.ring import demo, up
from commands.site import doctor, keys
from console.arguments import grammar
from console.configuration import ConfigurationError
from console.connection import UnusableRedisError
from console.playing import PlaybackError
from console.recording import RecordingError
from console.stack import StackError
from console.status import StatusError
from protocol.keyring import KeyringError
from streaming.admission.guard import AdmissionError
from transcripts.export import FORMS
from transcripts.store import StoreError
from workers.engine import EngineError
from workers.engines import registry

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
"""Errors whose text says what to do: no traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status tells whether it did what it should."""
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
        print(f"trunkline: nobody answers: {exc.strerror}; is the gateway up?", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


__all__ = ["SECTIONS", "main"]

if __name__ == "__main__":
    sys.exit(main())
