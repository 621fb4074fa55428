"""Asks a server that answers in JSON, once or line by line: the API server of Kubernetes, the agent of Consul.

The one module of discovery that knows aiohttp. What is read is bounded in size and time, and whatever goes wrong below
HTTP is an `Unreachable` that says what and where; a status is an answer and left to the caller. No proxy of the
environment is used, no redirect followed and no cookie kept: a token goes to the server it is for and nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson

DEADLINE: Final = 30.0
"""The seconds an answer that is no stream may take, unless the caller says otherwise."""

CONNECT_TIMEOUT: Final = 10.0
"""The seconds a connection may take, TLS included."""

MAX_BODY: Final = 64 * 1024 * 1024
"""The most bytes of an answer, decompressed."""

MAX_LINE: Final = 8 * 1024 * 1024
"""The most bytes of one line of a stream. An object of Kubernetes has at most 1.5 MB, as etcd keeps no larger ones."""

_MAX_WORDS: Final = 300

# notices within a minute that a peer has gone without a word, on a connection where nothing is said for minutes
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60_000))


class UnreachableError(Exception):
    """There was no answer, or none that can be read. The message says which server it was and why, without secrets."""


class Answer:
    """The head of an answer, and its body once it was read."""

    __slots__ = ("_response", "_server", "body", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, server: str) -> None:
        self.status = response.status
        """The HTTP status."""
        self.headers: Mapping[str, str] = response.headers
        """The headers. Names are found in any case."""
        self.body: Any = None
        """The JSON value of the body. None when it was not read, is empty or, with a status of 300 or more, no JSON."""
        self._response = response
        self._server = server

    async def read(self) -> None:
        """Read the whole body as JSON into `body`.

        Raises:
            UnreachableError: it is too long, breaks off, or is no JSON though the status is 2xx.
        """
        parts: list[bytes] = []
        size = 0
        with _translated(self._server):
            async for piece in self._response.content.iter_any():
                size += len(piece)
                if size > MAX_BODY:
                    raise UnreachableError(f"{self._server} answered with more than {MAX_BODY} bytes")
                parts.append(piece)
        text = b"".join(parts)
        try:
            self.body = orjson.loads(text) if text.strip() else None
        except orjson.JSONDecodeError:
            if self.status < 300:
                kind = self.headers.get("content-type", "without a type")
                raise UnreachableError(f"{self._server} answered with something else than JSON ({kind})") from None

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield each whole line of the body as it comes, without its end. A line that breaks off is left out.

        Raises:
            UnreachableError: a line is too long, or the connection is lost.
        """
        rest = bytearray()
        while True:
            with _translated(self._server):
                piece = await self._response.content.readany()
            if not piece:
                return
            first, *others = piece.split(b"\n")
            if len(rest) + len(first) > MAX_LINE:
                raise UnreachableError(f"{self._server} sent a line of more than {MAX_LINE} bytes")
            rest += first
            for other in others:
                if line := bytes(rest).strip():
                    yield line
                rest = bytearray(other)


class HttpJson:
    """A client of one server. Connects when first used, on the running loop.

    Args:
        url: The URL of the server, as in `https://10.0.0.1:443`, perhaps with a path that goes before every other.
        tls: How the server is verified and what is shown to it. None with `http:`, or for the system's authorities.
        server_name: The name its certificate has to be for. Empty means the host of the URL.
        proxy: The URL of an HTTP proxy to go through. Empty means none.
    """

    __slots__ = ("_proxy", "_server_name", "_session", "_tls", "server", "url")

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None, server_name: str = "", proxy: str = "") -> None:
        self.url = url.rstrip("/")
        """The URL, without a slash at its end."""
        self.server = self.url.rpartition("@")[2].removeprefix("https://").removeprefix("http://")
        """The server for people: without scheme, user and password."""
        self._tls = tls
        self._server_name = server_name or None
        self._proxy = proxy or None
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: object = None,
        deadline: float = DEADLINE,
    ) -> Answer:
        """Ask, and return the answer with its body read.

        Args:
            path: The path, encoded, from a slash on.
            query: The parameters of the query.
            method: The HTTP method.
            headers: Further headers, such as the one with the token.
            body: What is sent as JSON. None sends nothing.
            deadline: The seconds all of this may take.

        Raises:
            UnreachableError: there was no answer in that time, or none that can be read.
        """
        async with self._asked(path, query, method=method, headers=headers, body=body, deadline=deadline) as answer:
            await answer.read()
            return answer

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        deadline: float,
    ) -> AsyncIterator[Answer]:
        """Get something whose body comes line by line: read its `lines`, or `read` an error.

        Args:
            path: The path, encoded, from a slash on.
            query: The parameters of the query.
            headers: Further headers.
            deadline: The seconds all of it may take, the lines included.

        Raises:
            UnreachableError: there was no answer, the connection was lost, or the time was over.
        """
        async with self._asked(path, query, method="GET", headers=headers, body=None, deadline=deadline) as answer:
            yield answer

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def _asked(
        self,
        path: str,
        query: Mapping[str, str] | None,
        *,
        method: str,
        headers: Mapping[str, str] | None,
        body: object,
        deadline: float,
    ) -> AsyncIterator[Answer]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT, sock_connect=CONNECT_TIMEOUT),
                trust_env=False,
            )
        sent = dict(headers or {})
        if body is not None:
            sent["content-type"] = "application/json"
        limit = asyncio.timeout(deadline)
        try:
            async with limit:
                # not around the yield: what a caller raises within is not the server's doing
                with _translated(self.server):
                    response = await self._session.request(
                        method,
                        self.url + path,
                        params=query,
                        headers=sent,
                        data=None if body is None else orjson.dumps(body),
                        allow_redirects=False,
                        ssl=True if self._tls is None else self._tls,
                        server_hostname=self._server_name,
                        proxy=self._proxy,
                    )
                async with response:
                    yield Answer(response, self.server)
        except TimeoutError:
            if not limit.expired():
                raise
            raise UnreachableError(f"{self.server} did not answer within {deadline:g} s") from None


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Return a socket for an address of getaddrinfo that finds out when the other side has vanished."""
    result = socket.socket(family=address[0], type=address[1], proto=address[2])
    result.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if (option := getattr(socket, name, None)) is not None:
            # a platform may know the name and refuse the value: the deadline of the stream is left
            with contextlib.suppress(OSError):
                result.setsockopt(socket.IPPROTO_TCP, option, value)
    return result


@contextlib.contextmanager
def _translated(server: str) -> Iterator[None]:
    """Turn what aiohttp and the system raise into an `UnreachableError`."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        raise UnreachableError(f"the certificate of {server} cannot be trusted: {_short(why)}") from None
    except aiohttp.ClientConnectorDNSError as error:
        raise UnreachableError(f"the name of {server} cannot be resolved: {_short(error.strerror or '')}") from None
    except aiohttp.ClientSSLError as error:
        raise UnreachableError(f"TLS with {server} failed: {_short(str(error.os_error))}") from None
    except aiohttp.ClientConnectorError as error:
        raise UnreachableError(f"{server} cannot be reached: {_short(error.strerror or str(error.os_error))}") from None
    except (TimeoutError, aiohttp.ServerTimeoutError):
        raise UnreachableError(f"{server} cannot be reached: no connection within {CONNECT_TIMEOUT:g} s") from None
    except aiohttp.InvalidURL:
        raise UnreachableError(f"`{server}` is no address of a server, as in `https://10.0.0.1:6443`") from None
    except aiohttp.ClientResponseError as error:
        raise UnreachableError(f"{server} does not speak HTTP as it should: {_short(error.message)}") from None
    except aiohttp.ClientPayloadError:
        raise UnreachableError(f"the connection to {server} was lost in the middle of an answer") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = _short(str(error)) or type(error).__name__
        raise UnreachableError(f"the connection to {server} was lost: {why}") from None


def _short(words: str) -> str:
    """Return the words on one line, cut where they are too many."""
    line = " ".join(words.split())
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]}…"
