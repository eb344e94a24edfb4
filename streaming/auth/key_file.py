"""The file of keys, read again when it has changed."""

from pathlib import Path

import structlog

from protocol.auth.credentials import Keyring, KeyringError

_OTHERS_MAY_READ = 0o004
_OTHERS_MAY_WRITE = 0o022

log = structlog.get_logger()


class KeyFile:
    """One file.  Whoever cannot use a new version of it goes on with the old one, and says so."""

    def __init__(self, path: Path) -> None:
        """KeyringError when the file cannot be used."""
        self._path = path
        self._seen = self._stamp()
        self.keyring = self._read()

    def renewed(self) -> bool:
        """Whether there is another keyring than at the last look."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            self.keyring = self._read()
        except KeyringError as exc:
            log.error("keys_unusable", reason=str(exc), instead="the keys as they were before")
            return False
        log.info("keys_read", keys=len(self.keyring.keys), signers=len(self.keyring.signers))
        return True

    def _stamp(self) -> tuple[int, int, int]:
        """Different for each version: writers put a new file in the place of the old one."""
        try:
            status = self._path.stat()
        except OSError as exc:
            raise KeyringError(
                f"{self._path}: {exc.strerror}; see `trunkline keys create`"
            ) from exc
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> Keyring:
        try:
            mode, content = self._path.stat().st_mode, self._path.read_bytes()
        except OSError as exc:
            raise KeyringError(f"{self._path}: {exc.strerror}") from exc
        if mode & (_OTHERS_MAY_READ | _OTHERS_MAY_WRITE):
            raise KeyringError(f"{self._path}: others may read or write it; chmod 600 {self._path}")
        try:
            return Keyring.decoded(content)
        except KeyringError as exc:
            raise KeyringError(f"{self._path}: {exc}") from exc
