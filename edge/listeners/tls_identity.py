"""Who a caller is by its certificate, read with nothing but `ssl`."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final

from edge.model.call import TlsIdentity

_SHORT: Final = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
"""The names of RFC 4514, section 3, by OpenSSL's. Others are written as OpenSSL calls them."""

_SPECIAL = re.compile(r'[\x00-\x1f\x7f"+,;<>\\]|\A[ #]| \Z')

_DNS = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_MAIL = re.compile(r"[!-.0-9;-?A-~]+@[A-Za-z0-9.-]+")


def identity(ssl_object: ssl.SSLObject | ssl.SSLSocket | None) -> TlsIdentity | None:
    """Return who the caller of a connection is, or None when it showed no certificate.

    The subject is a distinguished name (RFC 4514), the innermost part first, as in `CN=alice,O=Example`. The names are
    the DNS names, addresses, URIs (SPIFFE ids among them) and e-mail addresses of the certificate, in its order. One
    that is not of the form its kind has is left out: names have no kind in the model, so a DNS name that reads
    `spiffe://…` could pass for what it is not.

    The certificate was verified in the handshake. A certificate that cannot be decoded gives an identity without
    subject and names, which no rule matches. Nothing is raised.

    Args:
        ssl_object: What the transport says of `ssl_object`; None for clear text.
    """
    if ssl_object is None:
        return None
    try:
        certificate: Any = ssl_object.getpeercert()
    except (ValueError, ssl.SSLError):
        # before the handshake there is none; after it, something in the certificate is not as it should be
        return TlsIdentity(subject="") if _shown(ssl_object) else None
    if not certificate:
        return None
    return TlsIdentity(subject=_subject(certificate.get("subject", ())), names=_names(certificate))


def _shown(ssl_object: ssl.SSLObject | ssl.SSLSocket) -> bool:
    try:
        return ssl_object.getpeercert(binary_form=True) is not None
    except (ValueError, ssl.SSLError):
        return False


def _subject(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    # the certificate begins with the outermost part, the text with the innermost (RFC 4514, 2.1)
    texts = ["+".join(f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in part) for part in parts]
    return ",".join(reversed(texts))


def _escaped(value: str) -> str:
    return _SPECIAL.sub(_escape, value)


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    # control characters in hexadecimal, which RFC 4514 allows for any: the text goes to logs and headers
    return f"\\{ord(char):02X}" if char < " " or char == "\x7f" else f"\\{char}"


def _names(certificate: Any) -> tuple[str, ...]:
    found = []
    given = certificate.get("subjectAltName", ())
    several = sum(kind == "URI" for kind, _ in given) > 1
    for kind, value in given:
        read = _READ.get(kind)
        name = read(value) if read is not None else ""
        # the identity of a workload is the only URI of its certificate (SPIFFE X.509-SVID, 2 and 5.2)
        if name and not (several and name.lower().startswith("spiffe:")):
            found.append(name)
    return tuple(dict.fromkeys(found))


def _dns(value: str) -> str:
    return value if _DNS.fullmatch(value) and not _address(value) else ""


def _uri(value: str) -> str:
    return value if _URI.fullmatch(value) and not _address(value) else ""


def _mail(value: str) -> str:
    return value if _MAIL.fullmatch(value) else ""


def _address(value: str) -> str:
    try:
        # OpenSSL writes IPv6 in capitals and without `::`
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return ""


_READ: Final[dict[str, Callable[[str], str]]] = {"DNS": _dns, "IP Address": _address, "URI": _uri, "email": _mail}
"""How the kinds of names are read; those that are not here say nothing to a rule."""
