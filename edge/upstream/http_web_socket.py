"""WebSocket connections to an HTTP endpoint (RFC 6455), by aiohttp.

Both sides of a passed-on WebSocket are ended here and begun anew there: extensions (compression) and pings belong to
each connection, messages and close codes pass. Imported only when a caller comes with a WebSocket: without aiohttp
there is none.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import aiohttp
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from edge.model.http import HeaderPairs
from edge.upstream.http1 import MAX_HEAD, BrokenAnswerError
from edge.upstream.http_answer import HandshakeRefusedError, NoAnswerError, Upgraded
from edge.upstream.http_connection import ConnectionLostError

_REFUSAL_BYTES = 1024 * 1024
"""How much of the body of a refusal is handed on."""

_CLOSE_SECONDS = 5.0
"""How long the endpoint may take to answer a close."""

_NO_CODE = 1005
"""RFC 6455 section 7.4.1: the close frame had no code."""

_OWN = frozenset({"sec-websocket-accept", "sec-websocket-extensions", "sec-websocket-protocol"})


class _Handshake(aiohttp.ClientResponse):
    """An answer to a handshake. Any but 101 is kept, body and all, before aiohttp throws it away."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if self.status == 101:
            return self
        body = bytearray()
        while len(body) < _REFUSAL_BYTES and (piece := await self.content.readany()):
            body += piece
        raise HandshakeRefusedError(self.status, _pairs(self.raw_headers), bytes(body[:_REFUSAL_BYTES]))


class EndpointSocket:
    """An open WebSocket to an endpoint. What it can do is what `edge.model.http.WebSocket` promises.

    Args:
        socket: aiohttp's.
    """

    __slots__ = ("_code", "_reason", "_socket")

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._code: int | None = None
        self._reason = ""

    @property
    def close_code(self) -> int | None:
        """The code the endpoint closed with, 1005 if it gave none. None when it vanished."""
        return self._code

    @property
    def close_reason(self) -> str:
        """The words the endpoint closed with."""
        return self._reason

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the endpoint has closed or vanished."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            data: str | bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.CLOSE:
            self._code, self._reason = message.data or _NO_CODE, message.extra or ""
        elif message.type is aiohttp.WSMsgType.ERROR and isinstance(message.data, aiohttp.WebSocketError):
            self._code, self._reason = message.data.code, str(message.data)  # too large, or no WebSocket frames
        return None

    async def send(self, message: str | bytes) -> None:
        """Send one message and wait while the endpoint does not read.

        Raises:
            ConnectionLostError: the connection is closed.
        """
        try:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)
        except ConnectionError as error:
            raise ConnectionLostError(str(error)) from None

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code, and cut the endpoint off that does not answer in time.

        aiohttp's own limit begins anew with each message, and there is none while the endpoint does not read.
        """
        connection = self._socket._response.connection
        transport = None if connection is None else connection.transport
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code=code, message=reason.encode()[:123])
        except TimeoutError:
            if transport is not None:
                transport.abort()


class WebSocketClient:
    """Opens WebSockets to one endpoint.

    Args:
        address: Host and port, or `unix:/path`.
        tls: How to verify the endpoint. None is for clear text.
        server_name: The name its certificate has to be for. Empty means the host.
        seconds: How long connecting may take.
    """

    __slots__ = ("_base", "_server_name", "_session", "_tls")

    def __init__(self, address: str, tls: ssl.SSLContext | None, server_name: str, seconds: float) -> None:
        # force_close and no limit: each of these connections is its caller's own
        connector: aiohttp.BaseConnector
        if address.startswith("unix:"):
            connector = aiohttp.UnixConnector(address.removeprefix("unix:"), force_close=True, limit=0)
            address = server_name or "localhost"
        else:
            connector = aiohttp.TCPConnector(force_close=True, limit=0, limit_per_host=0, use_dns_cache=False)
        self._base = f"{'ws' if tls is None else 'wss'}://{address}"
        self._tls = tls
        self._server_name = server_name or None
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Handshake,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=seconds),
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
        )

    async def connect(
        self, target: str, headers: HeaderPairs, subprotocols: Sequence[str], max_message_bytes: int
    ) -> Upgraded:
        """Open one.

        Args:
            target: The request target.
            headers: The headers without those of the handshake.
            subprotocols: What the caller offers.
            max_message_bytes: A larger message closes the connection with 1009.

        Raises:
            HandshakeRefusedError: the endpoint answered otherwise.
            NoAnswerError: the connection was closed before an answer.
            BrokenAnswerError: the answer is no proper handshake.
            OSError: no connection could be made.
        """
        try:
            socket = await self._session.ws_connect(
                URL(f"{self._base}{_ascii(target)}", encoded=True),
                headers=CIMultiDict((name, _text(value)) for name, value in headers),
                protocols=subprotocols,
                ssl=True if self._tls is None else self._tls,
                server_hostname=self._server_name if self._tls is not None else None,
                max_msg_size=max_message_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
            )
        except aiohttp.ClientConnectorCertificateError as error:
            raise OSError(str(error.certificate_error)) from None
        except aiohttp.ClientConnectorError as error:
            raise error.os_error from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise NoAnswerError(str(error)) from None
        except aiohttp.ServerTimeoutError:
            raise  # it is an OSError too
        except aiohttp.ClientResponseError as error:
            raise BrokenAnswerError(error.message) from None
        except aiohttp.ClientError as error:
            raise BrokenAnswerError(str(error)) from None
        answered = _pairs(socket._response.raw_headers)
        chosen = [value for name, value in answered if name == "sec-websocket-protocol"]
        extended = any(name == "sec-websocket-extensions" for name, _ in answered)
        if extended or chosen not in ([], [socket.protocol]):
            # the endpoint would go on with what nobody has agreed to (RFC 6455 section 4.1)
            socket._response.close()
            raise BrokenAnswerError(f"it chose {'an extension' if extended else 'a subprotocol'} that was not offered")
        kept = [pair for pair in answered if pair[0] not in _OWN]
        return Upgraded(EndpointSocket(socket), socket.protocol or "", kept)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


def _pairs(raw: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]


def _ascii(target: str) -> str:
    """Return a target with its bytes beyond ASCII percent-encoded, which says the same."""
    return target if target.isascii() else "".join(sign if sign < "\x80" else f"%{ord(sign):02X}" for sign in target)


def _text(value: str) -> str:
    """Return a header value so that aiohttp, which encodes in UTF-8, sends the bytes that came.

    Bytes that are no UTF-8 it cannot send; they become question marks, in handshakes only.
    """
    return value if value.isascii() else value.encode("latin-1", "replace").decode(errors="replace").replace("�", "?")
