"""Certificates for callers, from PEM files to contexts, and what is in them."""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from edge.listeners.tls_handshake import ServerContext
from edge.model.settings import Certificate, ClientCertificate, ListenerTls

CIPHERS: Final = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20"
"""What TLS 1.2 may use: nothing that RFC 9113, appendix A, forbids for HTTP/2, and nothing without forward secrecy."""

_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` has no name for

_ROUNDS: Final = 4  # TLS 1.3 needs two, TLS 1.2 or another hello three

_VERIFY = {
    ClientCertificate.NONE: ssl.CERT_NONE,
    ClientCertificate.OPTIONAL: ssl.CERT_OPTIONAL,
    ClientCertificate.REQUIRED: ssl.CERT_REQUIRED,
}

_REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "its key is too short; RSA needs 2048 bits or more",
    "CA_KEY_TOO_SMALL": "the key of an authority in it is too short; RSA needs 2048 bits or more",
    "CA_MD_TOO_WEAK": "it is signed with a hash that is no longer safe, such as SHA-1",
}

Stamp: TypeAlias = tuple[tuple[int, ...] | None, ...]
"""What files looked like, without reading them."""


class TlsFileError(OSError):
    """A file of TLS cannot be used. The message says which and why, and holds nothing of its contents."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate of ours, ready for handshakes."""

    context: ServerContext
    """The context that shows it."""

    names: tuple[str, ...]
    """The host names it is for, in lower case, with `*.` in front of wildcards. Empty when they cannot be found out."""

    not_before: float
    """When it begins to hold, in seconds since 1970. 0 when it cannot be found out."""

    not_after: float
    """When it ends, in seconds since 1970. Infinite when it cannot be found out."""

    def warning(self, now: float) -> str:
        """Return why callers will not accept it, or nothing."""
        if self.not_after <= now:
            return f"ended on {_date(self.not_after)}; callers will not accept it"
        if self.not_before > now:
            return f"holds from {_date(self.not_before)} only; callers will not accept it before"
        if self.not_after == float("inf"):
            return "is not one for servers; callers will not accept it, and it serves no name"
        return ""


def load_certificate(certificate: Certificate, tls: ListenerTls, alpn: Sequence[str]) -> ServerCertificate:
    """Read a certificate, its key and the authorities of callers.

    TLS is 1.2 or newer, without compression and renegotiation.

    Args:
        certificate: The files.
        tls: What is asked of callers.
        alpn: The protocols to agree on, the best first.

    Raises:
        TlsFileError: a file cannot be read or does not hold what it should.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # a caller that may ask for new keys again and again makes us work, and HTTP/2 forbids it (RFC 9113, 9.2.1)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(list(alpn))
    _load(context, certificate)
    facts = _facts(context, certificate.cert_file)
    context.verify_mode = _VERIFY[tls.client_certificate]
    if tls.client_certificate is not ClientCertificate.NONE:
        # an authority in the file is trusted although it is itself signed by one that is not, as Python 3.13 does
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with _told(tls.client_ca_file, "holds no certificate in PEM"):
            context.load_verify_locations(cafile=tls.client_ca_file)
    times = [ssl.cert_time_to_seconds(facts[name]) if name in facts else None for name in ("notBefore", "notAfter")]
    return ServerCertificate(
        context=context,
        names=_names(facts),
        not_before=times[0] or 0.0,
        not_after=float("inf") if times[1] is None else times[1],
    )


def stamp(paths: Iterable[str]) -> Stamp:
    """Return what changes whenever one of the files does, also when a symlink on the way leads elsewhere."""
    found: list[tuple[int, ...] | None] = []
    for path in paths:
        try:
            state = os.stat(path)
        except (OSError, ValueError):
            found.append(None)
        else:
            # the times alone are not enough: `cp -p` and Kubernetes' swap of `..data` may keep them
            found.append((state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino, state.st_dev))
    return tuple(found)


def files(tls: ListenerTls) -> list[str]:
    """Return the paths of all files of a listener's TLS."""
    paths = [path for one in tls.certificates for path in (one.cert_file, one.key_file)]
    return [*paths, tls.client_ca_file] if tls.client_ca_file else paths


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    def no_password() -> str:
        raise TlsFileError(f"{certificate.key_file}: it is encrypted; the gateway asks nobody for a password")

    for path in (certificate.cert_file, certificate.key_file):
        # `load_cert_chain` does not say which of the two it could not open
        with _told(path, ""), open(path, "rb"):
            pass
    with _told(certificate.cert_file, "holds no certificate in PEM"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate.cert_file)
    with _told(certificate.key_file, "holds no private key in PEM"):
        context.load_cert_chain(certificate.cert_file, certificate.key_file, password=no_password)


@contextlib.contextmanager
def _told(path: str, otherwise: str) -> Any:
    """Say what is wrong with a file."""
    try:
        yield
    except TlsFileError:
        raise
    except ssl.SSLError as error:
        raise TlsFileError(f"{path}: {_REASONS.get(error.reason, otherwise)}") from error
    except (OSError, ValueError) as error:
        words = (isinstance(error, OSError) and error.strerror) or "it is no path of a file"
        raise TlsFileError(f"{path}: it cannot be read: {words}") from error


def _facts(server: ssl.SSLContext, cert_file: str) -> dict[str, Any]:
    """Return what `getpeercert` says of a certificate of our own, or nothing when it is not one for servers.

    `ssl` decodes the certificates of peers only: its decoder of files is private, and `get_ca_certs` leaves out what is
    no authority. So the context shakes hands, in memory, with a client that trusts nothing but this file. That is all
    public, and proves at once that the key signs for the certificate.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cafile=cert_file)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.verify_flags = ssl.VerifyFlags(client.verify_flags | _NO_CHECK_TIME)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server)
    try:
        for _ in range(_ROUNDS):
            with contextlib.suppress(ssl.SSLWantReadError):
                theirs.do_handshake()
                return dict(theirs.getpeercert() or {})
            with contextlib.suppress(ssl.SSLWantReadError):
                ours.do_handshake()
    except (ssl.SSLError, ValueError):
        pass
    return {}


def _names(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the DNS names, or the common name of a certificate without alternative names (RFC 6125, 6.4.4)."""
    if "subjectAltName" in facts:
        found = [value for kind, value in facts["subjectAltName"] if kind == "DNS"]
    else:
        found = [value for part in facts.get("subject", ()) for kind, value in part if kind == "commonName"]
    return tuple(dict.fromkeys(name.lower().rstrip(".") for name in found if name))


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
