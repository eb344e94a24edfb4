"""`trunkline keys`: the key file has mode 0600 and contains no key in clear text."""

import io
import stat
from pathlib import Path

import pytest
from rich.console import Console

from broker.credentials.key_file import KeyFile
from cli import keys
from protocol.auth.credentials import Keyring, KeyringError, Scope, Signer, SignerKind
from trunkline import main

NOW = 1_800_000_000.0
BOTH = (Scope.INGEST, Scope.READ)


def made(file: Path, **changed: object) -> str:
    said = {"owner": "acme", "scopes": BOTH, "days": None, "note": "", "now": NOW} | changed
    return keys.create(file, **said)  # type: ignore[arg-type]


def pipeline(file: Path) -> Keyring:
    return Keyring.decoded(file.read_bytes())


def test_a_new_key_opens_and_does_not_stand_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "keys.json"

    key = made(file)

    permit = pipeline(file).unlock(key, NOW)
    assert permit is not None
    assert (permit.tenant, permit.scopes) == ("acme", frozenset(BOTH))
    assert key.split("_", 2)[2] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_that_was_revoked_or_has_expired_opens_nothing(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    revoked, short = made(file), made(file, days=1.0)

    keys.revoke(file, revoked.split("_")[1], NOW)

    assert pipeline(file).unlock(revoked, NOW) is None
    assert pipeline(file).unlock(short, NOW + 86_399) is not None
    assert pipeline(file).unlock(short, NOW + 86_400) is None


def test_the_list_shows_states_and_nothing_that_opens(tmp_path: Path) -> None:
    file, console = tmp_path / "keys.json", Console(width=120, record=True, file=io.StringIO())
    key, gone = made(file, note="Leeds"), made(file)
    keys.revoke(file, gone.split("_")[1], NOW)
    keys.trust(file, Signer(SignerKind.TWILIO, "main", "acme", BOTH, "0123456789abcdef"))

    console.print(keys.table(file, NOW))

    shown = console.export_text()
    assert all(word in shown for word in ("Leeds", "revoked", "twilio:main", key.split("_")[1]))
    assert key.split("_", 2)[2] not in shown
    assert "0123456789abcdef" not in shown


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"owner": "Acme"}, "a tenant is"),
        ({"owner": "a/b"}, "a tenant is"),
        ({"owner": "-a"}, "a tenant is"),
        ({"owner": "a" * 33}, "a tenant is"),
    ],
)
def test_wrong_tenants_are_refused_by_name(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    with pytest.raises(KeyringError, match=says):
        made(tmp_path / "keys.json", **change)


@pytest.mark.parametrize(
    "signer",
    [
        Signer(SignerKind.TWILIO, "main", "", BOTH, ""),
        Signer(SignerKind.AUDIOHOOK, "k", "", BOTH, ""),
        Signer(SignerKind.AUDIOHOOK, "k", "", BOTH, "not base64!"),
        Signer(SignerKind.JWT, "i", "", BOTH, "x" * 32, algorithm="none", audience="a"),
        Signer(SignerKind.JWT, "i", "", BOTH, "x" * 31, algorithm="HS256", audience="a"),
        Signer(SignerKind.JWT, "i", "", BOTH, "x" * 32, algorithm="HS256"),
        Signer(SignerKind.JWT, "i", "", BOTH, "x" * 32, algorithm="RS256", audience="a"),
        Signer(
            SignerKind.JWT, "i", "", BOTH, "-----BEGIN PUBLIC KEY-----" + "x" * 32, "HS256", "a"
        ),
        Signer(SignerKind.TWILIO, "main", "*", BOTH, "0123456789abcdef"),
        Signer(SignerKind.CERTIFICATE, "", "", BOTH),
        Signer(SignerKind.CERTIFICATE, "pbx", "", ()),
    ],
)
def test_signers_with_invalid_or_weak_values_are_refused(tmp_path: Path, signer: Signer) -> None:
    file = tmp_path / "keys.json"
    key = made(file)

    with pytest.raises(KeyringError):
        keys.trust(file, signer)

    assert pipeline(file).unlock(key, NOW) is not None
    assert not pipeline(file).signers


def test_a_gateway_reads_no_file_that_others_may_read(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made(file)
    file.chmod(0o644)

    with pytest.raises(KeyringError, match="chmod 600"):
        KeyFile(file)


def test_a_file_that_breaks_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = made(file)
    read = KeyFile(file)

    file.write_text('{"version": 1, "keys": [{"id"')

    assert not read.renewed()
    assert read.keyring.unlock(key, NOW) is not None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"version": 2}',
        '{"version": 1, "key": []}',
        '{"version": 1, "keys": [{}]}',
        "[" * 10**6,
    ],
)
def test_what_is_no_file_of_keys_is_refused(content: str) -> None:
    with pytest.raises(KeyringError):
        Keyring.decoded(content.encode())


def test_the_command_makes_lists_and_revokes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "keys.json")

    statuses = [main(["keys", "create", "--keys-file", file, "--tenant", "acme"])]
    key = capsys.readouterr().out.strip()
    statuses += [main(["keys", "revoke", key.split("_")[1], "--keys-file", file])]
    statuses += [main(["keys", "list", "--keys-file", file])]
    statuses += [main(["keys", "revoke", "nobody", "--keys-file", file])]

    assert statuses == [0, 0, 0, 2]
    assert "revoked" in capsys.readouterr().out
