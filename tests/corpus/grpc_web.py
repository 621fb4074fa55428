"""gRPC-Web as a browser's library speaks it, but with every byte in sight (grpc/grpc doc/PROTOCOL-WEB.md)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from tests.corpus.http1 import Answer, Connection, Request, exchange
from tests.support.raw_peer import frame

BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text+proto"
TRAILERS = 0x80


@dataclass
class WebAnswer:
    """A response, taken apart."""

    http: Answer
    """The HTTP response."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    """The message frames: flags and payload."""

    block: bytes | None = None
    """The payload of the trailer frame, or None without one."""

    @property
    def messages(self) -> list[bytes]:
        """The payloads of the message frames."""
        return [payload for _, payload in self.frames]

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """The lines of the trailer frame, names as they were written."""
        lines = (self.block or b"").split(b"\r\n")
        pairs = (line.decode("latin-1").partition(":") for line in lines if line)
        return [(name, value.removeprefix(" ")) for name, _, value in pairs]

    def trailer(self, name: str) -> str | None:
        """Return the first value of a trailer, in the trailer frame or, without one, in the headers."""
        if self.block is None:
            return self.http.header(name)
        return next((value for key, value in self.trailers if key.lower() == name), None)

    @property
    def status(self) -> int | None:
        """The gRPC status: that of the trailer frame, else that of the headers, else None."""
        found = self.trailer("grpc-status")
        return None if found is None else int(found)


def decode(answer: Answer) -> WebAnswer:
    """Take a response apart.

    Raises:
        ValueError: the body is not of frames, something comes after the trailer frame, or text is no base64.
    """
    body = answer.body
    if answer.media_type.startswith("application/grpc-web-text"):
        body = decode_text(body)
    found = WebAnswer(answer)
    while body:
        if found.block is not None:
            raise ValueError(f"after the trailer frame: {body[:40]!r}")
        size = int.from_bytes(body[1:5], "big")
        if len(body) < 5 + size:
            raise ValueError(f"half a frame: {len(body) - 5} of {size} bytes")
        flag, payload, body = body[0], body[5 : 5 + size], body[5 + size :]
        if flag & TRAILERS:
            found.block = payload
        else:
            found.frames.append((flag, payload))
    return found


def decode_text(body: bytes) -> bytes:
    """Decode base64 in one piece or in several, each with its own padding: quantum by quantum.

    Raises:
        ValueError: it is no base64.
    """
    if len(body) % 4:
        raise ValueError(f"{len(body)} characters are no whole quanta")
    return b"".join(base64.b64decode(body[start : start + 4], validate=True) for start in range(0, len(body), 4))


def request(
    path: str,
    *messages: bytes,
    content_type: str = BINARY,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
    chunk: int | None = None,
    method: str = "POST",
) -> Request:
    """Return a call.

    Args:
        path: The path of the method.
        messages: The request messages.
        content_type: The content type; one of the text forms encodes the body.
        headers: More headers.
        body: The body in place of framed messages.
        chunk: The size of a chunk; None sends `Content-Length`.
        method: The verb.
    """
    if body is None:
        body = b"".join(frame(message) for message in messages)
        if content_type.lower().startswith("application/grpc-web-text"):
            body = base64.b64encode(body)
    return Request(method, path, (("Content-Type", content_type), *headers), body, chunk)


class WebClient:
    """A caller.

    Args:
        address: The HTTP port of a gateway.
        host: What the calls are addressed to.
    """

    def __init__(self, address: str, host: str = "web.test") -> None:
        self.address = address
        self.host = host

    async def send(self, made: Request, within: float = 20) -> Answer:
        """Send a request; return the response as HTTP has it."""
        return await exchange(self.address, self.host, made, within)

    async def call(
        self,
        path: str,
        *messages: bytes,
        content_type: str = BINARY,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        chunk: int | None = None,
    ) -> WebAnswer:
        """Make a call; return the response taken apart. The arguments are those of `request`."""
        made = request(path, *messages, content_type=content_type, headers=headers, body=body, chunk=chunk)
        return decode(await self.send(made))

    async def begin(self, connection: Connection, made: Request) -> None:
        """Send a request on a connection whose response is read piece by piece."""
        for piece in made.encode(self.host):
            await connection.send(piece)
