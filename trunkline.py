"""Entry point and composition root: run one command and report its errors."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from cli.arguments import grammar
from cli.commands import COMMANDS
from protocol.operator_error import OperatorError

# numpy reads it at its import.  Its matrices here are small: several threads would take ten times the CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Importing makes many objects and no garbage: with the default of 700, searching for it takes a tenth of a start.
gc.set_threshold(10_000, 20, 50)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Returns 0: success, 1: a call or check failed, 2: a user error, 130: Ctrl-C, 141: standard output is closed.
    """
    said = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options = grammar(said).parse_args(said)
        command = import_module(f"cli.{COMMANDS[options.command].module}")
        return int(getattr(command, options.command)(options) or 0)
    except OperatorError as exc:
        print(f"trunkline: {exc}", file=sys.stderr)
        return 2
    except BaseExceptionGroup as group:
        if group.split(OperatorError)[1] is not None:
            raise
        print(f"trunkline: {_first(group)}", file=sys.stderr)
        return 2
    except ConnectionRefusedError as exc:
        print(
            f"trunkline: cannot connect: {exc.strerror}; start the gateway, or check its address",
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # the reader has enough: `trunkline show | head`
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the exit would fail to flush
        return 141
    except KeyboardInterrupt:
        return 130


def _first(error: BaseException) -> BaseException:
    """Return the first error of a nested group."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
