"""Create certificates for one test."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A certificate authority."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    def issue(self, folder: Path, common_name: str, *, days: int = 1) -> tuple[Path, Path]:
        """Issue a certificate; returns its file and its key file.  Expired if `days` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_named(common_name), key, days, ca=False)
        return _written(folder, common_name, certificate, key)

    def own(self, folder: Path) -> Path:
        """Write the certificate of the authority to a file."""
        certificate = self._sign(self.name, self.key, 1, ca=True)
        return _written(folder, "ca", certificate, self.key)[0]

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def _usage(*, ca: bool) -> x509.KeyUsage:
    """What RFC 5280 asks for; Python 3.13 and newer refuse an authority without it."""
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _written(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> tuple[Path, Path]:
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def authority(name: str) -> CertificateAuthority:
    return CertificateAuthority(_named(name), ec.generate_private_key(ec.SECP256R1()))
