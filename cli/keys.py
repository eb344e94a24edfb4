"""Create, list and revoke the keys of bridges and listeners in the key file, which gateways reload on change."""

import time
from pathlib import Path

import msgspec
from rich.table import Table

from broker.credentials.key_changes import change_keys, read_keys
from broker.credentials.key_changes import create_key as create
from protocol.auth.credentials import ApiKey, Keyring, KeyringError, Signer

__all__ = ["create", "revoke", "table", "trust"]

_DAY_SECONDS = 86_400


def revoke(path: Path, name: str, now: float) -> None:
    """Revoke a key by its id, or remove a signer `kind:name`.  Raises KeyringError if there is none."""

    def without(pipeline: Keyring) -> Keyring:
        signers = tuple(one for one in pipeline.signers if f"{one.kind}:{one.name}" != name)
        keys = tuple(_revoked(key, now) if key.id == name else key for key in pipeline.keys)
        if signers == pipeline.signers and name not in [key.id for key in pipeline.keys]:
            raise KeyringError(f"no key or signer {name[:64]}; `trunkline keys list` shows them")
        return Keyring(keys, signers)

    read_keys(path)
    change_keys(path, without)


def trust(path: Path, signer: Signer) -> None:
    """Accept credentials from this signer.  It replaces a signer of the same kind and name."""
    named = (signer.kind, signer.name)

    def with_it(pipeline: Keyring) -> Keyring:
        others = [one for one in pipeline.signers if (one.kind, one.name) != named]
        return Keyring(pipeline.keys, (*others, signer))

    change_keys(path, with_it)


def table(path: Path, now: float) -> Table:
    """Return a table of all keys and signers, without secrets."""
    pipeline = read_keys(path)
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
