"""An upstream that takes any path and answers at once, with frames made beforehand: HTTP/2 over plain sockets.

    python -m benchmarks.raw_upstream PORT

What is answered depends on the message of the request: `FLOOD` is answered with bytes without end, as fast as the
windows let them out; `SENT` with how many bytes of the latest flood were let out; everything else with a greeting. The
headers of requests are not decoded, and nothing it sends is indexed.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import sys

from benchmarks import h2_client as h2

FLOOD = b"\0\0\0\0\x05flood"
SENT = b"\0\0\0\0\x04sent"
GREETING = b"\0\0\0\0\x0chello world!"

_HEADERS = b"\x88\x0f\x10\x10application/grpc"
_TRAILERS = b"\0\x0bgrpc-status\x010"
_PIECE = bytes(16_384)


def answer(message: bytes) -> tuple[bytes, bytes, bytes]:
    """Return headers, message and trailers without their stream, which is put in by `on`."""
    return (
        h2.frame(h2.HEADERS, h2.END_HEADERS, 0, _HEADERS),
        h2.frame(h2.DATA, 0, 0, message),
        h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 0, _TRAILERS),
    )


def on(stream: int, frames: tuple[bytes, ...]) -> bytes:
    """Return frames as those of a stream."""
    number = stream.to_bytes(4, "big")
    return b"".join(each[:5] + number + each[9:] for each in frames)


_GREETING = answer(GREETING)


class Connection:
    """One connection from a proxy."""

    sent = 0
    """How many bytes of the latest flood, on any connection, the windows let out."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.out = bytearray(h2.settings({h2.MAX_CONCURRENT_STREAMS: 10_000, h2.INITIAL_WINDOW_SIZE: h2.MOST}))
        self.out += h2.frame(h2.WINDOW_UPDATE, 0, 0, (h2.MOST - 65_535).to_bytes(4, "big"))
        self._frames = h2.Frames(len(h2.PREFACE))
        self._messages: dict[int, bytes] = {}
        self._window = 65_535
        self._initial = 65_535
        self._floods: dict[int, int] = {}
        self._waiting: list[tuple[int, tuple[bytes, ...]]] = []
        self._taken = 0

    def read(self) -> bool:
        """Take in what came and put the answers to `out`. Return whether the connection goes on."""
        data = b""
        with contextlib.suppress(ConnectionError):
            data = self.socket.recv(256 * 1024)
        for kind, flags, stream, payload in self._frames.feed(data):
            if kind == h2.DATA:
                self._taken += len(payload)
                self._messages[stream] = (self._messages.get(stream, b"") + payload)[:64]
                if flags & h2.END_STREAM:
                    self._answer(stream, self._messages.pop(stream))
            elif kind == h2.WINDOW_UPDATE:
                self._credit(stream, int.from_bytes(payload, "big"))
            elif kind == h2.SETTINGS and not flags & h2.ACK:
                self._settings(h2.read_settings(payload))
            elif kind == h2.PING and not flags & h2.ACK:
                self.out += h2.frame(h2.PING, h2.ACK, 0, payload)
            elif kind == h2.RST_STREAM:
                self._floods.pop(stream, None)
                self._messages.pop(stream, None)
        if self._taken >= 2**20:
            self.out += h2.frame(h2.WINDOW_UPDATE, 0, 0, self._taken.to_bytes(4, "big"))
            self._taken = 0
        self._flood()
        return bool(data)

    def write(self) -> None:
        """Send as much of `out` as the socket takes, and then what the windows let follow."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            del self.out[: self.socket.send(self.out)]
        self._flood()

    def _settings(self, values: dict[int, int]) -> None:
        initial = values.get(h2.INITIAL_WINDOW_SIZE, self._initial)
        self._floods = {stream: window + initial - self._initial for stream, window in self._floods.items()}
        self._initial = initial
        self.out += h2.frame(h2.SETTINGS, h2.ACK, 0)

    def _credit(self, stream: int, more: int) -> None:
        if stream:
            if stream in self._floods:
                self._floods[stream] += more
            return
        self._window += more
        while self._waiting and self._window >= len(self._waiting[0][1][1]) - 9:
            self._send(*self._waiting.pop(0))

    def _answer(self, stream: int, message: bytes) -> None:
        if message == FLOOD:
            Connection.sent = 0
            self._floods[stream] = self._initial
            self.out += on(stream, _GREETING[:1])
            return
        number = Connection.sent.to_bytes(8, "big")
        frames = answer(b"\0\0\0\0\x08" + number) if message == SENT else _GREETING
        if self._window >= len(frames[1]) - 9 and not self._waiting:
            self._send(stream, frames)
        else:
            self._waiting.append((stream, frames))

    def _send(self, stream: int, frames: tuple[bytes, ...]) -> None:
        self._window -= len(frames[1]) - 9
        self.out += on(stream, frames)

    def _flood(self) -> None:
        # no more than one piece waits for the socket: what is counted has left, at least for the kernel
        for stream, window in self._floods.items():
            size = min(window, self._window, len(_PIECE))
            if size > 0 and not self.out:
                self.out += h2.frame(h2.DATA, 0, stream, _PIECE[:size])
                self._window -= size
                self._floods[stream] = window - size
                Connection.sent += size


def serve(port: int) -> None:
    """Serve until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    selector = selectors.DefaultSelector()
    with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, events in selector.select():
                connection = key.data
                if connection is None:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, Connection(sock))
                    continue
                if events & selectors.EVENT_READ and not connection.read():
                    selector.unregister(connection.socket)
                    connection.socket.close()
                    continue
                if connection.out:
                    connection.write()
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)
                if wanted != key.events:
                    selector.modify(connection.socket, wanted, connection)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
