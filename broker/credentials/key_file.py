"""The key file, read again when it has changed."""

from pathlib import Path

import structlog

from protocol.auth.credentials import Keyring, KeyringError

_OTHERS_MAY_READ = 0o004
_OTHERS_MAY_WRITE = 0o022

logger = structlog.get_logger()


class KeyFile:
    """A key file.  If a new version of the file is invalid, keep the old keys and log `keys_unusable`."""

    def __init__(self, path: Path) -> None:
        """Raises KeyringError if the file cannot be used."""
        self._path = path
        self._seen = self._stamp()
        self.keyring = self._read()

    def renewed(self) -> bool:
        """Load the file if it has changed.  Returns whether there is a new keyring since the last call."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            self.keyring = self._read()
        except KeyringError as exc:
            logger.error("keys_unusable", reason=str(exc), instead="the previous keys")
            return False
        logger.info("keys_read", keys=len(self.keyring.keys), signers=len(self.keyring.signers))
        return True

    def _stamp(self) -> tuple[int, int, int]:
        """Return a value that differs for each version of the file: writers replace the whole file."""
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
            raise KeyringError(
                f"{self._path}: other users can read or write it: chmod 600 {self._path}"
            )
        try:
            return Keyring.decoded(content)
        except KeyringError as exc:
            raise KeyringError(f"{self._path}: {exc}") from exc
