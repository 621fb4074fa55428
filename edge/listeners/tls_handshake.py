"""Handshakes that fail aloud.

OpenSSL ends a handshake that fails with an alert, which says why. asyncio (CPython issue 98078) and uvloop close the
connection without sending it, so that a caller without the certificate we require hears of a lost connection only. The
contexts here make handshakes that first have the loop send what there is.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable


def _nobody(reason: str) -> None:
    """Tell nobody."""


class ServerHandshake(ssl.SSLObject):
    """One side of a TLS connection, made by a `ServerContext`."""

    outgoing: ssl.MemoryBIO
    """What waits to be sent to the caller."""

    failed: Callable[[str], None]
    """Is called with the reason of a failure."""

    failure: ssl.SSLError | None = None
    """Why the handshake failed, while the alert is on its way."""

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            ssl.SSLWantReadError: the loop is to send what there is and to come back with more from the caller.
            ssl.SSLError: it failed.
        """
        if self.failure is not None:
            raise self.failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError):
            raise
        except ssl.SSLError as error:
            self.failed(_words(error))
            if not self.outgoing.pending:
                raise
            # the connection then ends with the caller's next byte or with its end; whoever sends neither is for the
            # `ssl_handshake_timeout` of the loop
            self.failure = error
            raise ssl.SSLWantReadError from error


class ServerContext(ssl.SSLContext):
    """A context for servers. Made like any `ssl.SSLContext`, with `ssl.PROTOCOL_TLS_SERVER`."""

    sslobject_class = ServerHandshake

    failed: Callable[[str], None] = staticmethod(_nobody)
    """Is called with the reason of each handshake that fails. It may not raise."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a handshake between two buffers, as event loops do for each connection."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, ServerHandshake)
        made.outgoing = outgoing
        made.failed = self.failed
        return made


def _words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the caller's certificate is not accepted: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
