"""TLS for callers: which certificate a caller gets, and new files without a restart.

    keeper = TlsKeeper(listener.tls, alpn=alpn(listener.protocol), name=listener.name)
    tasks.spawn(keeper.run(), name="certificates")
    transport, protocol = await loop.connect_accepted_socket(protocol, accepted, ssl=keeper.context)

Python takes one context for a server or a handshake, so the context that is handed out chooses: its SNI callback puts
the context of the right certificate in its place. OpenSSL then takes certificate, key, ALPN and the authorities of
callers from the new context, but from the first one whether callers are asked for a certificate, the versions, the
options and the keys of session tickets (SSL_set_SSL_CTX). So all contexts of a listener agree in these. The callback is
called for callers without SNI as well.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.listeners.certificates import ServerCertificate, Stamp, TlsFileError, files, load_certificate, stamp
from edge.listeners.tls_handshake import ServerContext
from edge.listeners.tls_identity import identity
from edge.model.settings import ListenerProtocol, ListenerTls

_log = logging.getLogger(__name__)


def alpn(protocol: ListenerProtocol) -> tuple[str, ...]:
    """Return the protocols that a listener agrees on, the best first."""
    return ("h2",) if protocol is ListenerProtocol.GRPC else ("h2", "http/1.1")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The certificates of one reading."""

    certificates: tuple[ServerCertificate, ...]
    """All of them, the first one for callers that ask for no known name."""

    exact: Mapping[str, ServerContext]
    """Contexts by host name."""

    wildcard: Mapping[str, ServerContext]
    """Contexts by what follows the `*.`."""

    def context(self, name: str | None) -> ServerContext:
        """Return the context for the name a caller asks for."""
        first = self.certificates[0].context
        if not name:
            return first
        name = name.lower().rstrip(".")
        # a wildcard stands for one label (RFC 6125, 6.4.3)
        return self.exact.get(name) or self.wildcard.get(name.partition(".")[2], first)


class TlsKeeper:
    """Holds the certificates of a listener, and reads them again when their files change.

    Connections that are there are not touched by a change; new handshakes use what is new. Files that cannot be used
    change nothing.

    Args:
        tls: The files, and what is asked of callers.
        alpn: The protocols to agree on, the best first.
        name: The name of the listener, for logs.
        failed: Is called with the reason of each handshake that fails, before the connection ends. To its owner that
            end is one by the caller: a `ConnectionError`, or a timeout when the caller stays.

    Raises:
        TlsFileError: a file cannot be used.
    """

    def __init__(
        self,
        tls: ListenerTls,
        *,
        alpn: Sequence[str] = ("h2", "http/1.1"),
        name: str = "",
        failed: Callable[[str], None] | None = None,
    ) -> None:
        self.last_error: str | None = None
        """What was wrong with the files when they last changed, or None."""
        self.reloads = 0
        """How often new files were taken."""
        self._tls = tls
        self._alpn = tuple(alpn)
        self._name = name or "a listener"
        self._failed = failed or self._log_failure
        self._lock = threading.Lock()
        # before reading: what changes meanwhile is then seen the next time
        self._stamp: Stamp = stamp(files(tls))
        self._loaded = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a handshake. Ask for it at each, for the loop's `connect_accepted_socket` or `start_tls`.

        One that was taken earlier, as by the loop's `create_server`, shows new certificates too. But it resumes
        sessions (TLS tickets, two hours at most) that were made before a change of the files, without looking at the
        caller's certificate again; the new context does not know them.
        """
        return self._loaded.certificates[0].context

    @property
    def not_after(self) -> float:
        """When the first of the certificates ends, in seconds since 1970. Infinite when no end is known."""
        return min(one.not_after for one in self._loaded.certificates)

    def reload_if_changed(self) -> bool:
        """Read the files again if one of them changed, and return whether new ones are in use. It may block.

        Files that cannot be used are logged once for each change, and `last_error` tells of them until it is mended.
        """
        with self._lock:
            now = stamp(files(self._tls))
            if now == self._stamp:
                return False
            self._stamp = now
            try:
                loaded = self._load()
            except TlsFileError as error:
                self.last_error = str(error)
                _log.error("%s keeps the certificates it has: %s", self._name, error)
                return False
            self._loaded = loaded
            self.last_error = None
            self.reloads += 1
        _log.info("%s uses new certificates: %s", self._name, self._words(loaded))
        return True

    async def run(self, interval: float = 5.0) -> None:
        """Look for changes until this is cancelled. An `edge.tasks.Tasks` is to own it.

        Args:
            interval: Seconds between two looks.
        """
        while True:
            await asyncio.sleep(interval)
            # in a thread: the files may be on a slow disk, and many certificates take a while
            await asyncio.to_thread(self.reload_if_changed)

    def _load(self) -> _Loaded:
        certificates = tuple(load_certificate(one, self._tls, self._alpn) for one in self._tls.certificates)
        exact: dict[str, ServerContext] = {}
        wildcard: dict[str, ServerContext] = {}
        now = time.time()
        for given, certificate in zip(self._tls.certificates, certificates, strict=True):
            for name in certificate.names:
                if name.startswith("*."):
                    wildcard.setdefault(name[2:], certificate.context)
                else:
                    exact.setdefault(name, certificate.context)
            if warning := certificate.warning(now):
                _log.warning("%s: the certificate in %s %s", self._name, given.cert_file, warning)
        certificates[0].context.sni_callback = self._choose
        certificates[0].context.failed = self._failed
        return _Loaded(certificates, exact, wildcard)

    def _choose(self, handshake: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        """Put the right context in the place of the one the handshake began with. It must not raise."""
        chosen = self._loaded.context(name)
        if chosen is not handshake.context:
            handshake.context = chosen

    def _log_failure(self, reason: str) -> None:
        _log.debug("%s: a TLS handshake failed: %s", self._name, reason)

    @staticmethod
    def _words(loaded: _Loaded) -> str:
        return ", ".join(dict.fromkeys(name for one in loaded.certificates for name in one.names)) or "no names"


__all__ = ["TlsFileError", "TlsKeeper", "alpn", "identity"]
