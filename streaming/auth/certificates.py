"""TLS by certificate files, which may be renewed while calls go on."""

import ssl
from pathlib import Path

import structlog

log = structlog.get_logger()


class CertificateError(Exception):
    """Certificate, key or CA cannot be used; the text names the file."""


class Certificates:
    """
    A context for a server.  A renewed certificate is used from the next connection on.

    With `client_ca`, clients may show a certificate that it has signed; without one they need a key.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        """CertificateError when a file cannot be used."""
        self._files = (certificate, key)
        self._seen = self._stamp()
        self.context = self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        if client_ca is not None:
            try:
                self.context.load_verify_locations(client_ca)
            except (OSError, ssl.SSLError) as exc:
                raise CertificateError(f"{client_ca}: not a file of certificates") from exc
            self.context.verify_mode = ssl.CERT_OPTIONAL

    def renew(self) -> None:
        """Take up files that have changed; those that cannot be used are left, and logged."""
        try:
            if (stamp := self._stamp()) == self._seen:
                return
            # Tried first: a context that has taken a certificate and not its key would serve nobody.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            self._load(self.context)
            self._seen = stamp
        except CertificateError as exc:
            log.error("certificate_unusable", reason=str(exc), instead="the one before")
        else:
            log.info("certificate_renewed")

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as exc:
            raise CertificateError(f"{certificate} and {key}: no certificate with its key") from exc
        return context

    def _stamp(self) -> list[tuple[int, int]]:
        try:
            return [(one.st_ino, one.st_mtime_ns) for one in map(Path.stat, self._files)]
        except OSError as exc:
            raise CertificateError(f"{exc.filename}: {exc.strerror}") from exc


def common_name(tls: ssl.SSLObject | None) -> str | None:
    """Of a client certificate that was shown and verified (RFC 5280, subject)."""
    shown = tls.getpeercert() if tls is not None else None
    if not shown:
        return None
    subject: tuple[tuple[tuple[str, str], ...], ...] = shown.get("subject", ())  # type: ignore[assignment]  # typeshed is wider
    names = [value for part in subject for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None
