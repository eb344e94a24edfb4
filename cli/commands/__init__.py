"""
The commands by name.

Importing this module imports no command: `--help` must answer at once.  The function of a command has its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """The module of a command, and its purpose in one line."""

    module: str
    text: str


COMMANDS: Mapping[str, Command] = {
    "demo": Command(
        "commands.demo", "Play a synthetic call through the whole pipeline, with captions."
    ),
    "up": Command("commands.up", "Run the whole pipeline on this machine, until Ctrl-C."),
    "call": Command("commands.calls", "Act as a bridge: play an audio file into a gateway."),
    "calls": Command("commands.stored_calls", "List stored calls."),
    "show": Command("commands.stored_calls", "Print a stored call, or list the stored calls."),
    "search": Command("commands.stored_calls", "Search what was said in stored calls."),
    "export": Command("commands.stored_calls", "Write the transcript of a stored call to a file."),
    "tag": Command(
        "commands.stored_calls", "Change tags, agent, notes or legal hold of a stored call."
    ),
    "delete": Command(
        "commands.stored_calls", "Delete stored calls with everything that is kept of them."
    ),
    "transcribe": Command(
        "commands.calls", "Transcribe a recording in this process, without gateway."
    ),
    "redact": Command(
        "commands.redaction", "Redact a text or a stored call by a policy, or test a policy."
    ),
    "webhooks": Command("commands.webhooks", "List, add and delete webhooks; send one again."),
    "rules": Command("commands.rules", "Check a file of rules that add cards to calls."),
    "doctor": Command("commands.admin", "Check this machine and report what is missing."),
    "fetch": Command(
        "commands.admin", "Download and check the model of an engine, or of speakers."
    ),
    "keys": Command("commands.admin", "Create, list and revoke keys."),
    "bench": Command("bench.command", "Measure how many calls this machine holds, and their cost."),
    "gateway": Command(
        "commands.services", "Run the gateway: take calls from bridges over WebSockets."
    ),
    "worker": Command("commands.services", "Run a worker: transcribe queued jobs with one engine."),
    "recorder": Command("commands.services", "Run the recorder: store transcripts."),
    "api": Command("commands.services", "Run the HTTP API: list, search, read and delete calls."),
    "analyser": Command("commands.services", "Ask a language model about calls that have ended."),
    "mcp": Command(
        "commands.mcp", "Give an assistant access to calls, by the Model Context Protocol."
    ),
}
