"""Changes of the key file: atomic, one at a time.  Gateways and API processes read it again."""

import contextlib
import fcntl
import os
import secrets
import string
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from protocol.auth.credentials import ApiKey, Keyring, KeyringError, Scope, digest, key_text
from protocol.tenants import tenant

_DAY_SECONDS = 86_400
_EXPIRED_DAYS = 30
"""Time for which an expired key stays in the file, so that `trunkline keys list` shows what it was."""

_ID_LETTERS = string.ascii_lowercase + string.digits


class TooManyKeysError(KeyringError):
    """The owner has as many valid keys as are permitted."""


def create_key(
    path: Path,
    *,
    owner: str,
    scopes: tuple[Scope, ...],
    days: float | None,
    note: str,
    now: float,
    most: int | None = None,
) -> str:
    """
    Create a key and return its text.  Keys that have expired long ago leave the file.

    `owner`: tenant, or empty; `now`: seconds since 1970; `most`: most valid keys of the owner.  Raises
    TooManyKeysError, KeyringError.
    """
    try:
        tenant(owner)
    except ValueError as exc:
        raise KeyringError(str(exc)) from exc
    key_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
    text = key_text(key_id, secrets.token_bytes(32))
    expires = None if days is None else now + days * _DAY_SECONDS
    key = ApiKey(key_id, digest(text), owner, scopes, now, expires, note=note)

    def added(keyring: Keyring) -> Keyring:
        kept = [one for one in keyring.keys if not _is_forgotten(one, now)]
        good = sum(one.tenant == owner and one.is_good(now) for one in kept)
        if most is not None and good >= most:
            raise TooManyKeysError(f"there are {good} valid keys: revoke some first")
        return Keyring((*kept, key), keyring.signers)

    change_keys(path, added)
    return text


def _is_forgotten(key: ApiKey, now: float) -> bool:
    return key.expires is not None and key.expires < now - _EXPIRED_DAYS * _DAY_SECONDS


def read_keys(path: Path) -> Keyring:
    """Return the keyring of a file.  Raises KeyringError."""
    try:
        return Keyring.decoded(path.read_bytes())
    except OSError as exc:
        raise KeyringError(
            f"{path}: {exc.strerror}; create it with `trunkline keys create`"
        ) from exc
    except KeyringError as exc:
        raise KeyringError(f"{path}: {exc}") from exc


def change_keys(path: Path, change: Callable[[Keyring], Keyring]) -> None:
    """Replace the key file atomically by a changed one with mode 0600."""
    with _alone(path):
        content = change(read_keys(path) if path.exists() else Keyring()).encoded()
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
