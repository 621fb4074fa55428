"""HTTP/2 peers that send and show exactly what goes over the wire, which grpcio hides: a client and a server."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from edge.tasks import Tasks

Pairs = Sequence[tuple[str, str]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOAWAY = 7
WINDOW = 16 * 1024 * 1024
TIMEOUT = 20.0


def frame(message: bytes = b"", flag: int = 0) -> bytes:
    """Return a gRPC message as it stands in DATA."""
    return struct.pack(">BI", flag, len(message)) + message


def unframe(data: bytes) -> list[tuple[int, bytes]]:
    """Return the flags and messages within the body of a stream."""
    found = []
    while data:
        flag, size = struct.unpack_from(">BI", data)
        assert len(data) >= 5 + size, f"half a message: {len(data) - 5} of {size} bytes"
        found.append((flag, data[5 : 5 + size]))
        data = data[5 + size :]
    return found


class RawStream:
    """One stream, from either side. What the other side sent is in its attributes."""

    def __init__(self, connection: RawConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.headers: list[tuple[str, str]] | None = None
        """The first header block that is not informational."""
        self.trailers: list[tuple[str, str]] | None = None
        """The second one."""
        self.data = bytearray()
        """What came in DATA."""
        self.ended = False
        """Whether END_STREAM was received."""
        self.headers_ended = False
        """Whether END_STREAM was on the first header block."""
        self.reset: int | None = None
        """The code of a received RST_STREAM."""
        self._changed = asyncio.Event()

    def _change(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool], within: float = TIMEOUT) -> None:
        """Wait for a condition on this stream.

        Raises:
            TimeoutError: it did not come.
            ConnectionError: the connection ended before.
        """
        async with asyncio.timeout(within):
            while not condition():
                if self.connection.closed:
                    raise ConnectionError(f"the connection ended ({self.connection.goaway})")
                self._changed.clear()
                await self._changed.wait()

    async def finished(self, within: float = TIMEOUT) -> Self:
        """Wait for the end of what the other side sends."""
        await self.until(lambda: self.ended or self.reset is not None, within)
        return self

    async def messages(self, count: int, within: float = TIMEOUT) -> list[tuple[int, bytes]]:
        """Wait for this number of messages."""

        def there() -> bool:
            rest, found = memoryview(bytes(self.data)), 0
            while len(rest) >= 5 and len(rest) >= 5 + (size := struct.unpack_from(">BI", rest)[1]):
                rest, found = rest[5 + size :], found + 1
            return found >= count

        await self.until(there, within)
        return unframe(bytes(self.data))[:count]

    async def send_headers(self, headers: Pairs, *, end: bool = False) -> None:
        """Send a header block."""
        self.connection.h2.send_headers(self.number, list(headers), end_stream=end)
        await self.connection.flush()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send DATA, waiting for the windows of the other side."""
        view = memoryview(data)
        machine = self.connection.h2
        while view:
            await self.until(lambda: self._room() > 0)
            room = self._room()
            part, view = view[:room], view[room:]
            machine.send_data(self.number, bytes(part), end_stream=end and not view)
            await self.connection.flush()
        if end and not data:
            machine.end_stream(self.number)
            await self.connection.flush()

    def _room(self) -> int:
        machine = self.connection.h2
        return int(min(machine.local_flow_control_window(self.number), machine.max_outbound_frame_size))

    async def send_reset(self, code: int = int(h2.errors.ErrorCodes.CANCEL)) -> None:
        """Send RST_STREAM."""
        self.connection.h2.reset_stream(self.number, code)
        await self.connection.flush()

    async def respond(
        self,
        messages: Sequence[bytes] = (),
        *,
        headers: Pairs = (),
        status: int | str | None = 0,
        trailers: Pairs = (),
    ) -> None:
        """Answer as a gRPC server does."""
        await self.send_headers([(":status", "200"), ("content-type", "application/grpc"), *headers])
        for message in messages:
            await self.send(frame(message))
        ending = [("grpc-status", str(status))] if status is not None else []
        await self.send_headers([*ending, *trailers], end=True)

    def values(self, name: str) -> list[str]:
        """Return the values of a received header."""
        return [value for key, value in self.headers or () if key == name]

    def header(self, name: str) -> str | None:
        """Return the first value of a received header, or None."""
        return next(iter(self.values(name)), None)

    @property
    def last(self) -> list[tuple[str, str]]:
        """The trailers, or the headers of a Trailers-Only answer."""
        return self.trailers if self.trailers is not None else self.headers or []

    def trailer(self, name: str) -> str | None:
        """Return the first value of a received trailer, or None."""
        return next((value for key, value in self.last if key == name), None)

    @property
    def grpc_status(self) -> int | None:
        """The status the other side ended with, or None."""
        value = self.trailer("grpc-status")
        return None if value is None else int(value)


class RawConnection:
    """One side of an HTTP/2 connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        client: bool,
        settings: dict[int, int] | None = None,
        on_stream: Callable[[RawStream], None] | None = None,
    ) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=client,
                header_encoding=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        self.streams: dict[int, RawStream] = {}
        self.events: list[Any] = []
        self.closed = False
        self.goaway: tuple[int, bytes] | None = None
        """The code and the words of a received GOAWAY."""
        self._on_stream = on_stream
        self._changed = asyncio.Event()
        self._settings = settings
        self._client = client
        self._buffer = b""
        self._preface = not client

    async def begin(self) -> None:
        """Send the preface and the settings."""
        if self._settings:
            # `update` would keep them back until the other side has acknowledged those that h2 begins with
            values = {**self.h2.local_settings, **self._settings}
            codes = {h2.settings.SettingCodes(code): value for code, value in values.items()}
            self.h2.local_settings = h2.settings.Settings(client=self._client, initial_values=codes)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        await self.flush()

    async def flush(self) -> None:
        """Write what is to be sent."""
        if data := self.h2.data_to_send():
            self.writer.write(data)
            with contextlib.suppress(ConnectionError):
                await self.writer.drain()

    async def run(self) -> None:
        """Read until the connection ends."""
        try:
            while data := await self.reader.read(65536):
                self._buffer += data
                while part := self._next():
                    for event in self.h2.receive_data(part):
                        self._take(event)
                await self.flush()
                for stream in tuple(self.streams.values()):
                    stream._change()
                self._changed.set()
        except (ConnectionError, h2.exceptions.ProtocolError) as error:
            self.events.append(error)
        finally:
            self.closed = True
            self.writer.close()
            self._changed.set()
            for stream in self.streams.values():
                stream._change()

    def _next(self) -> bytes:
        """Take the next frame; keep a GOAWAY to ourselves, after which h2 would take nothing more."""
        while True:
            if self._preface:
                size = len(PREFACE)
            elif len(self._buffer) >= 9:
                size = 9 + int.from_bytes(self._buffer[:3], "big")
            else:
                return b""
            if len(self._buffer) < size:
                return b""
            part, self._buffer = self._buffer[:size], self._buffer[size:]
            if self._preface or part[3] != GOAWAY:
                self._preface = False
                return part
            self.goaway = (int.from_bytes(part[13:17], "big"), part[17:])

    async def send_goaway(self, last: int, code: int = 0) -> None:
        """Send GOAWAY and go on."""
        await self.flush()
        self.writer.write(b"\0\0\x08\x07\0\0\0\0\0" + struct.pack(">II", last, code))
        await self.writer.drain()

    def _take(self, event: Any) -> None:
        self.events.append(event)
        match event:
            case h2.events.RequestReceived():
                stream = self.streams[event.stream_id] = RawStream(self, event.stream_id)
                stream.headers = _text(event.headers)
                if self._on_stream is not None:
                    self._on_stream(stream)
            case h2.events.ResponseReceived():
                self.streams[event.stream_id].headers = _text(event.headers)
                self.streams[event.stream_id].headers_ended = event.stream_ended is not None
            case h2.events.TrailersReceived():
                self.streams[event.stream_id].trailers = _text(event.headers)
            case h2.events.DataReceived():
                self.streams[event.stream_id].data += event.data
                with contextlib.suppress(h2.exceptions.StreamClosedError):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.streams[event.stream_id].ended = True
            case h2.events.StreamReset():
                if event.stream_id in self.streams:
                    self.streams[event.stream_id].reset = int(event.error_code)

    async def until(self, condition: Callable[[], bool], within: float = TIMEOUT) -> None:
        """Wait for a condition on this connection; its end does not end the waiting when the condition is met."""
        async with asyncio.timeout(within):
            while not condition():
                if self.closed:
                    raise ConnectionError(f"the connection ended ({self.goaway})")
                self._changed.clear()
                await self._changed.wait()


def _text(found: Any) -> list[tuple[str, str]]:
    return [(bytes(key).decode("latin-1"), bytes(value).decode("latin-1")) for key, value in found]


class RawClient:
    """A client with one connection.

    Args:
        address: Host and port.
    """

    def __init__(self, address: str, *, settings: dict[int, int] | None = None) -> None:
        self.address = address
        self._settings = settings
        self._tasks = Tasks()
        self.connection: RawConnection

    async def __aenter__(self) -> Self:
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self.connection = RawConnection(reader, writer, client=True, settings=self._settings)
        await self.connection.begin()
        self._tasks.spawn(self.connection.run(), name="raw client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Break the connection."""
        self.connection.writer.close()
        await self._tasks.close()
        with contextlib.suppress(ConnectionError):
            await self.connection.writer.wait_closed()

    async def open(
        self, path: str, metadata: Pairs = (), *, headers: Pairs | None = None, end: bool = False
    ) -> RawStream:
        """Open a stream as a gRPC client does.

        Args:
            path: The `:path`.
            metadata: What comes after the call definition.
            headers: The whole header block instead.
            end: Whether END_STREAM is on it.
        """
        machine = self.connection.h2
        stream = RawStream(self.connection, machine.get_next_available_stream_id())
        self.connection.streams[stream.number] = stream
        if headers is None:
            headers = [*request_headers(path), *metadata]
        await stream.send_headers(headers, end=end)
        return stream

    async def call(
        self, path: str, *messages: bytes, metadata: Pairs = (), headers: Pairs | None = None, within: float = TIMEOUT
    ) -> RawStream:
        """Make a call with these messages and wait for its end."""
        stream = await self.open(path, metadata, headers=headers)
        await stream.send(b"".join(frame(message) for message in messages), end=True)
        return await stream.finished(within)


def request_headers(
    path: str, *, content_type: str = "application/grpc", method: str = "POST", te: str = "trailers"
) -> list[tuple[str, str]]:
    """Return the header block of a call without metadata."""
    return [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "raw.example.com"),
        ("te", te),
        ("content-type", content_type),
    ]


Handler = Callable[[RawStream], Awaitable[None]]


class RawServer:
    """A server that answers each stream with what its handler sends."""

    def __init__(self, handler: Handler, *, port: int = 0, settings: dict[int, int] | None = None) -> None:
        self.handler = handler
        self.connections: list[RawConnection] = []
        self.streams: list[RawStream] = []
        """The streams in order, of all connections."""
        self.failures: list[BaseException] = []
        """What handlers failed with."""
        self.address = ""
        self._port = port
        self._settings = settings
        self._tasks = Tasks()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self.connections:
            connection.writer.close()
        await self._tasks.close()
        if error is None and self.failures:
            raise self.failures[0]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = RawConnection(reader, writer, client=False, settings=self._settings, on_stream=self._opened)
        self.connections.append(connection)
        await connection.begin()
        self._tasks.spawn(connection.run(), name="raw server connection")

    def _opened(self, stream: RawStream) -> None:
        self.streams.append(stream)
        self._tasks.spawn(self._handle(stream), name="raw server stream")

    async def _handle(self, stream: RawStream) -> None:
        try:
            await self.handler(stream)
        except (ConnectionError, h2.exceptions.StreamClosedError):
            pass  # the caller went away, which is its right
        except (AssertionError, TimeoutError, ValueError, h2.exceptions.ProtocolError) as error:
            self.failures.append(error)
