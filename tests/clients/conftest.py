"""The whole stack as a user starts it, once for all clients."""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clients import BIN, LONG, ROOT, Clients, GatewayPorts, Prompt
from support.prompts import PROMPTS, SPEECH
from support.servers import until

from protocol.auth.credentials import ApiKey, Keyring, Scope, Signer, SignerKind, digest, key_text

PUBLIC = "wss://calls.example.com"


@pytest.fixture(scope="session")
def prompt() -> Prompt:
    entry = PROMPTS["agent-alreadyon"]
    return Prompt(SPEECH / entry["file"], entry["text"], entry["seconds"])


@pytest.fixture(scope="session")
def other_prompt() -> Prompt:
    entry = PROMPTS["vm-newuser"]
    return Prompt(SPEECH / entry["file"], entry["text"], entry["seconds"])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayPorts]:
    """`trunkline up` with the CPU engine, on free ports, with a key."""
    folder = tmp_path_factory.mktemp("clients")
    key, token = _keys(folder / "keys.json")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    environment = clean | {
        "XDG_DATA_HOME": str(folder),
        "TRUNKLINE_GATEWAY_HTTP_PORT": "0",
        "TRUNKLINE_GATEWAY_AUDIOSOCKET_PORT": "0",
        "TRUNKLINE_API_PORT": "0",
        "TRUNKLINE_GATEWAY_KEYS_FILE": str(folder / "keys.json"),
        "TRUNKLINE_GATEWAY_PUBLIC_URL": PUBLIC,
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "trunkline", "up", "--port", "0", "--engine", "moonshine"],
            stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=ROOT,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        yield GatewayPorts(_url(process.stdout), _http(folder / "log"), key, token, PUBLIC)
    finally:
        process.terminate()
        process.wait(timeout=LONG)


def _keys(path: Path) -> tuple[str, str]:
    """A key of the tenant `acme` that may do everything, and its Twilio token; both in a file of keys."""
    text, token = key_text("clients0", secrets.token_bytes(32)), secrets.token_hex(16)
    key = ApiKey("clients0", digest(text), "acme", (Scope.ADMIN,), created=0.0)
    signer = Signer(SignerKind.TWILIO, "ours", "acme", (Scope.INGEST,), token)
    path.write_bytes(Keyring([key], [signer]).encoded())
    path.chmod(0o600)
    return text, token


def _url(said: Any) -> str:
    found = (re.search(r"(ws://\S+)/twilio", line) for line in said)
    url = next((one[1] for one in found if one), None)
    assert url is not None, "`trunkline up` ended before it was up"
    return url


def _http(log: Path) -> str:
    """The log is written by a separate thread: a line may appear later than the URL."""
    until(lambda: any(_listening(log)))
    opened = next(_listening(log))
    return f"http://{opened['host']}:{opened['port']}"


def _listening(log: Path) -> Iterator[dict[str, Any]]:
    whole = log.read_text().rpartition("\n")[0].splitlines()
    events = (json.loads(line) for line in whole if line.startswith("{"))
    return (event for event in events if event.get("event") == "http_listening")


@pytest.fixture(scope="session")
def clients() -> Clients:
    if not (BIN / "python").exists():
        pytest.skip("other people's clients are not installed: `make clients` does it")
    return Clients()
