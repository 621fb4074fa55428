"""A certificate authority for trying things out. This is the only module that needs the package `cryptography`."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_DAYS = 3650
_LONGEST_COMMON_NAME = 64  # ub-common-name of RFC 5280
_SKEW = datetime.timedelta(hours=1)
"""How long ago certificates begin to hold, for callers whose clocks are slow."""


class NoAuthorityError(ValueError):
    """What is there is no authority; the message says why."""


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate and its key."""

    certificate: bytes
    """The certificate."""

    key: bytes
    """The key, PKCS #8, without a password."""


class Authority:
    """An authority that signs certificates for this machine, with keys on the curve P-256."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @property
    def not_after(self) -> datetime.datetime:
        """When it ends. What it signs does not last longer."""
        return self._certificate.not_valid_after_utc

    @classmethod
    def new(cls, common_name: str) -> Authority:
        """Make an authority that lasts ten years and signs no other authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            _builder(name, key.public_key(), now, now + datetime.timedelta(days=_CA_DAYS))
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, pem: Pem) -> Authority:
        """Read an authority.

        Raises:
            NoAuthorityError: the files hold none, or one that has ended.
        """
        try:
            certificate = x509.load_pem_x509_certificate(pem.certificate)
            key = serialization.load_pem_private_key(pem.key, password=None)
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (ValueError, TypeError, x509.ExtensionNotFound):
            raise NoAuthorityError("it is no authority that this command made") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not constraints.ca:
            raise NoAuthorityError("it is no authority that this command made")
        if certificate.public_key() != key.public_key():
            raise NoAuthorityError("its key belongs to another certificate")
        if certificate.not_valid_after_utc <= datetime.datetime.now(datetime.UTC):
            raise NoAuthorityError(f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d}")
        return cls(certificate, key)

    def pem(self) -> Pem:
        """Return the authority's own certificate and key."""
        return _pem(self._certificate, self._key)

    def server(self, names: Sequence[str], days: int) -> Pem:
        """Return a certificate for host names and addresses."""
        return self._issue(names[0], [_general(name) for name in names], ExtendedKeyUsageOID.SERVER_AUTH, days)

    def client(self, common_name: str, spiffe: str, days: int) -> Pem:
        """Return a certificate for a caller. `spiffe` is its SPIFFE id, or empty."""
        uris: list[x509.GeneralName] = [x509.UniformResourceIdentifier(spiffe)] if spiffe else []
        return self._issue(common_name, uris, ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def _issue(self, common_name: str, names: Sequence[x509.GeneralName], use: x509.ObjectIdentifier, days: int) -> Pem:
        key = ec.generate_private_key(ec.SECP256R1())
        # a long host name is in the alternative names, which are what counts
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_LONGEST_COMMON_NAME])])
        now = datetime.datetime.now(datetime.UTC)
        end = min(now + datetime.timedelta(days=days), self.not_after)
        issuer = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(subject, key.public_key(), now, end)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer),
                critical=False,
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pem:
    return Pem(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
