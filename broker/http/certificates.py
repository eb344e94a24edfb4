"""TLS with certificate files that can be renewed while calls are in progress."""

import ssl
from pathlib import Path

import structlog

logger = structlog.get_logger()


class CertificateError(Exception):
    """A certificate, key or CA file cannot be used; the text names the file."""


class Certificates:
    """
    The TLS context of a server.  A renewed certificate is used from the next connection on.

    With `client_ca`, clients may send a certificate signed by this CA; clients without one need another credential.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """Raises CertificateError if a file cannot be used."""
        self._files = (certificate, key)
        self._seen = self._stamp()
        self.context = self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca is not None:
            try:
                self.context.load_verify_locations(client_ca)
            except (OSError, ssl.SSLError) as exc:
                raise CertificateError(f"{client_ca}: not a certificate file") from exc
            self.context.verify_mode = ssl.CERT_OPTIONAL

    def renew(self) -> None:
        """Load changed files; if they cannot be used, keep the old certificate and log `certificate_unusable`."""
        try:
            if (stamp := self._stamp()) == self._seen:
                return
            # Tested first on a new context: a context with a certificate but without its key serves no client.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
            self._seen = stamp
        except CertificateError as exc:
            logger.error(
                "certificate_unusable", reason=str(exc), instead="the previous certificate"
            )
        else:
            logger.info("certificate_renewed")

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as exc:
            raise CertificateError(
                f"{certificate} and {key}: not a certificate and its private key"
            ) from exc
        return context

    def _stamp(self) -> list[tuple[int, int]]:
        try:
            return [(one.st_ino, one.st_mtime_ns) for one in map(Path.stat, self._files)]
        except OSError as exc:
            raise CertificateError(f"{exc.filename}: {exc.strerror}") from exc


def common_name(tls: ssl.SSLObject | None) -> str | None:
    """Return the common name of a verified client certificate (RFC 5280, subject); None if there is none."""
    shown = tls.getpeercert() if tls is not None else None
    if not shown:
        return None
    subject: tuple[tuple[tuple[str, str], ...], ...] = shown.get("subject", ())  # type: ignore[assignment]  # typeshed is wider
    names = [value for part in subject for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None
