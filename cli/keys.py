"""Create, list and revoke the keys of bridges and listeners in the key file, which gateways reload on change."""

import contextlib
import fcntl
import os
import secrets
import string
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from rich.table import Table

from protocol.auth.credentials import ApiKey, Keyring, KeyringError, Scope, Signer, digest, key_text
from protocol.tenants import tenant

_DAY_SECONDS = 86_400
_ID_LETTERS = string.ascii_lowercase + string.digits


def create(
    path: Path, *, owner: str, scopes: tuple[Scope, ...], days: float | None, note: str, now: float
) -> str:
    """Create a key and return its text.  `owner`: tenant, or empty; `now`: seconds since 1970.  KeyringError."""
    try:
        tenant(owner)
    except ValueError as exc:
        raise KeyringError(str(exc)) from exc
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    text = key_text(key_id, secrets.token_bytes(32))
    expires = None if days is None else now + days * _DAY_SECONDS
    key = ApiKey(key_id, digest(text), owner, scopes, now, expires, note=note)
    _change(path, lambda pipeline: Keyring((*pipeline.keys, key), pipeline.signers))
    return text


def revoke(path: Path, name: str, now: float) -> None:
    """Revoke a key by its id, or remove a signer `kind:name`.  Raises KeyringError if there is none."""

    def without(pipeline: Keyring) -> Keyring:
        signers = tuple(one for one in pipeline.signers if f"{one.kind}:{one.name}" != name)
        keys = tuple(_revoked(key, now) if key.id == name else key for key in pipeline.keys)
        if signers == pipeline.signers and name not in [key.id for key in pipeline.keys]:
            raise KeyringError(f"no key or signer {name[:64]}; `trunkline keys list` shows them")
        return Keyring(keys, signers)

    _read(path)
    _change(path, without)


def trust(path: Path, signer: Signer) -> None:
    """Accept credentials from this signer.  It replaces a signer of the same kind and name."""
    named = (signer.kind, signer.name)

    def with_it(pipeline: Keyring) -> Keyring:
        others = [one for one in pipeline.signers if (one.kind, one.name) != named]
        return Keyring(pipeline.keys, (*others, signer))

    _change(path, with_it)


def table(path: Path, now: float) -> Table:
    """Return a table of all keys and signers, without secrets."""
    pipeline = _read(path)
    shown = Table("id", "tenant", "scopes", "state", "made", "note", box=None)
    for key in pipeline.keys:
        made = time.strftime("%Y-%m-%d", time.localtime(key.created))
        shown.add_row(
            key.id, key.tenant or "-", " ".join(key.scopes), _state(key, now), made, key.note
        )
    for one in pipeline.signers:
        scopes = " ".join(one.scopes)
        shown.add_row(f"{one.kind}:{one.name}", one.tenant or "-", scopes, "good", "", "signer")
    return shown


def _revoked(key: ApiKey, now: float) -> ApiKey:
    return key if key.revoked else msgspec.structs.replace(key, revoked=now)


def _state(key: ApiKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    if not key.is_good(now):
        return "expired"
    return "good" if key.expires is None else f"{(key.expires - now) / _DAY_SECONDS:.0f} days"


def _read(path: Path) -> Keyring:
    try:
        return Keyring.decoded(path.read_bytes())
    except OSError as exc:
        raise KeyringError(
            f"{path}: {exc.strerror}; create it with `trunkline keys create`"
        ) from exc
    except KeyringError as exc:
        raise KeyringError(f"{path}: {exc}") from exc


def _change(path: Path, change: Callable[[Keyring], Keyring]) -> None:
    """Replace the key file atomically by a changed one with mode 0600."""
    with _alone(path):
        content = change(_read(path) if path.exists() else Keyring()).encoded()
        try:
            Keyring.decoded(content)
        except KeyringError as exc:
            raise KeyringError(f"nothing was changed: {exc}") from exc
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".keys-", delete=False) as new:
            new.write(content)  # NamedTemporaryFile creates it with mode 0600
            new.flush()
            os.fsync(new.fileno())
        if (
            path.exists()
        ):  # keep the owner: the gateway must still be able to read a file that root has changed
            with contextlib.suppress(PermissionError):
                os.chown(new.name, path.stat().st_uid, path.stat().st_gid)
        Path(new.name).replace(path)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of the key file: two commands at the same time would lose a change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
