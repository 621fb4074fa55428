"""Making connections to HTTP endpoints, in clear text or with verified TLS."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Callable, Sequence

from edge.model.errors import InvalidRequest, Violation
from edge.model.upstreams import Upstream
from edge.upstream.http_connection import HttpConnection

_ERRNO = re.compile(r"\[Errno (\d+)\]")


_TLS_REASONS = (
    ("CERTIFICATE_REQUIRED", "it asks for a client certificate, which `tls.cert_file` of the upstream would be"),
    ("ALERT_UNKNOWN_CA", "it does not accept the certificate that the gateway shows"),
    ("ALERT_BAD_CERTIFICATE", "it does not accept the certificate that the gateway shows"),
    ("ALERT_CERTIFICATE", "it does not accept the certificate that the gateway shows"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
)
"""What parts of errors stand for, the first that is found: alerts come from the other side."""


class ConnectFailedError(ConnectionError):
    """No connection could be made; the message says why."""


async def dial(
    upstream: Upstream, address: str, tls: ssl.SSLContext | None, make: Callable[[], HttpConnection]
) -> HttpConnection:
    """Make a connection.

    Args:
        upstream: How to connect.
        address: Host and port, or `unix:/path`.
        tls: What `tls_context` returned for the upstream.
        make: Makes the connection's protocol.

    Raises:
        OSError: it cannot be made; `connect_words` says why.
    """
    loop = asyncio.get_running_loop()
    seconds = upstream.connection.connect_timeout
    server_name = upstream.tls.server_name if upstream.tls is not None else ""
    try:
        async with asyncio.timeout(seconds):
            if address.startswith("unix:"):
                name = (server_name or "localhost") if tls is not None else None
                path = address.removeprefix("unix:")
                _, connection = await loop.create_unix_connection(make, path, ssl=tls, server_hostname=name)
            else:
                host, _, port = address.rpartition(":")
                host = host.strip("[]")
                name = (server_name or host) if tls is not None else None
                _, connection = await loop.create_connection(make, host, int(port), ssl=tls, server_hostname=name)
    except TimeoutError:
        raise TimeoutError(f"no connection within {seconds:g} s") from None
    return connection


def connect_words(error: BaseException) -> str:
    """Return why a connection could not be made, without addresses, as in `Connection refused`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return tls_words(error.reason or error.strerror or "")
    if isinstance(error, OSError) and (found := _ERRNO.search(str(error))) and int(found[1]) > 0:
        return os.strerror(int(found[1]))
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def tls_words(reason: str) -> str:
    """Return what to make of an error of OpenSSL or BoringSSL, as in `TLSV1_ALERT_UNKNOWN_CA`."""
    found = (words for part, words in _TLS_REASONS if part in reason)
    return f"{next(found, 'no TLS')}: {reason}"


def tls_context(upstream: Upstream, alpn: Sequence[str] = ("http/1.1",)) -> ssl.SSLContext | None:
    """Read the TLS files of an upstream. None is for clear text.

    Certificates of endpoints are verified, their names too (RFC 9110, 4.3.4).

    Args:
        upstream: The upstream.
        alpn: The protocols to agree on, the best first: `http/1.1`, or `h2` for gRPC.

    Raises:
        InvalidRequest: a file cannot be read or does not hold what it should.
    """
    tls = upstream.tls
    if tls is None:
        return None
    field = "ca_file"
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        field = "cert_file"
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except (OSError, ValueError) as error:
        words = (
            "the file does not hold what it should" if isinstance(error, ssl.SSLError) else "the file cannot be read"
        )
        raise InvalidRequest.of([Violation(f"{upstream.name}.tls.{field}", words)]) from error
    context.set_alpn_protocols(list(alpn))
    return context
