"""The frames of each subprotocol, without any I/O. docs/websocket.md has them in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import orjson

from edge.model.call import MetadataPairs
from edge.model.errors import TranscodingFailed, Violation
from edge.model.hints import did_you_mean
from edge.model.status import Status
from transcoding.codec import Codec, JsonValue
from transcoding.headers import from_metadata
from transcoding.render import status_tree
from transcoding.websocket.handshake import Mode

UNSUPPORTED_DATA = 1003
"""RFC 6455 section 7.4.1: a kind of frame that is not taken here."""

POLICY_VIOLATION = 1008
"""A message that the kind of method does not take."""

TOO_BIG = 1009
"""A message that is too large."""

_MESSAGE, _HEADERS, _END = 0, 1, 2

Frame: TypeAlias = str | bytes
"""A text or a binary frame."""


class FrameRefused(TranscodingFailed):
    """The caller broke the rules of the subprotocol.

    Args:
        description: What is wrong and how to mend it, beginning with a lower-case letter, without a full stop.
        close_code: What the WebSocket is closed with, or None for the code that goes with the status.
    """

    def __init__(self, description: str, close_code: int | None = None) -> None:
        super().__init__(description, violations=[Violation("", description)])
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A message as JSON."""

    tree: JsonValue
    """The tree."""


@dataclass(frozen=True, slots=True)
class ProtoBody:
    """A message as protobuf."""

    data: bytes
    """The serialized message."""


@dataclass(frozen=True, slots=True)
class Received:
    """What a frame of the caller holds."""

    body: JsonBody | ProtoBody | None
    """The message, if there is one."""

    end: bool
    """Whether no more messages follow."""


class Framing(Protocol):
    """Reads and writes the frames of one connection."""

    def read(self, frame: Frame) -> Received:
        """Return what a frame of the caller holds.

        Raises:
            FrameRefused: it is none of this subprotocol.
            InvalidRequest: it is no JSON.
        """
        ...

    def headers(self, metadata: MetadataPairs) -> Frame | None:
        """Return the frame with the initial metadata, if the subprotocol has one."""
        ...

    def message(self, data: bytes) -> Frame:
        """Return the frame of a serialized response.

        Raises:
            GatewayError: it is no message, or has no JSON form.
        """
        ...

    def end(self, status: Status, trailing: MetadataPairs) -> Frame | None:
        """Return the frame that ends the call, if the subprotocol has one."""
        ...


class BareFraming:
    """`edge.json.bare.v1`: frames are messages.

    Args:
        codec: JSON for the upstream's schema.
        to_json: Returns the JSON of a serialized response.
    """

    __slots__ = ("_codec", "_to_json")

    def __init__(self, codec: Codec, to_json: Callable[[bytes], bytes]) -> None:
        self._codec = codec
        self._to_json = to_json

    def read(self, frame: Frame) -> Received:
        """Return what a frame holds; an empty one is the half-close."""
        text = _text(frame, Mode.BARE)
        return Received(JsonBody(self._codec.load(text)), end=False) if text else Received(None, end=True)

    def headers(self, metadata: MetadataPairs) -> None:
        """There is no such frame."""

    def message(self, data: bytes) -> str:
        """Return the JSON of a response."""
        return self._to_json(data).decode()

    def end(self, status: Status, trailing: MetadataPairs) -> None:
        """There is no such frame: code and reason of the close say how the call ended."""


class JsonFraming:
    """`edge.json.v1`: frames are JSON objects with one key that says what they hold.

    Args:
        codec: JSON for the upstream's schema.
        to_json: Returns the JSON of a serialized response.
    """

    __slots__ = ("_codec", "_to_json")

    def __init__(self, codec: Codec, to_json: Callable[[bytes], bytes]) -> None:
        self._codec = codec
        self._to_json = to_json

    def read(self, frame: Frame) -> Received:
        """Return what a frame holds: `{"message": …}`, `{"end": true}` or both."""
        tree = self._codec.load(_text(frame, Mode.JSON))
        form = 'a frame is `{"message": …}`, `{"end": true}`, or has both keys'
        if not isinstance(tree, dict) or not tree:
            raise FrameRefused(form)
        for key in tree:
            if key not in ("message", "end"):
                hint = did_you_mean(key, ("message", "end"))
                raise FrameRefused(f"a frame has no key `{key[:60]!a}`{hint}; {form}")
        if tree.get("end", True) is not True:
            raise FrameRefused("`end` takes nothing but `true`; leave it out while messages follow")
        return Received(JsonBody(tree["message"]) if "message" in tree else None, end="end" in tree)

    def headers(self, metadata: MetadataPairs) -> str:
        """Return `{"headers": {name: [value, …], …}}`."""
        return orjson.dumps({"headers": metadata_tree(metadata)}).decode()

    def message(self, data: bytes) -> str:
        """Return `{"message": …}`."""
        return '{"message":' + self._to_json(data).decode() + "}"

    def end(self, status: Status, trailing: MetadataPairs) -> str:
        """Return `{"end": {"status": google.rpc.Status, "trailers": {…}}}`."""
        return orjson.dumps({"end": end_tree(status, trailing, self._codec)}).decode()


class ProtoFraming:
    """`edge.proto.v1`: the first byte of a binary frame says what the rest is.

    Args:
        codec: JSON for the upstream's schema, for the details of a status.
    """

    __slots__ = ("_codec",)

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def read(self, frame: Frame) -> Received:
        """Return what a frame holds: 0 and a message, or 2 alone."""
        if isinstance(frame, str):
            raise FrameRefused(f"`{Mode.PROTO.value}` takes binary frames, and this is a text frame", UNSUPPORTED_DATA)
        kind = frame[0] if frame else None
        if kind == _MESSAGE:
            return Received(ProtoBody(frame[1:]), end=False)
        if kind == _END and len(frame) == 1:
            return Received(None, end=True)
        begins = "the frame is empty" if kind is None else f"the frame begins with the byte {kind}"
        more = " and has more behind it" if kind == _END else ""
        raise FrameRefused(f"{begins}{more}; send 0 and a message, or 2 alone when no more follow")

    def headers(self, metadata: MetadataPairs) -> bytes:
        """Return 1 and the metadata as JSON."""
        return bytes((_HEADERS,)) + orjson.dumps(metadata_tree(metadata))

    def message(self, data: bytes) -> bytes:
        """Return 0 and the message."""
        return bytes((_MESSAGE,)) + data

    def end(self, status: Status, trailing: MetadataPairs) -> bytes:
        """Return 2 and status and trailers as JSON."""
        return bytes((_END,)) + orjson.dumps(end_tree(status, trailing, self._codec))


def make_framing(mode: Mode, codec: Codec, to_json: Callable[[bytes], bytes]) -> Framing:
    """Return the framing of a mode.

    Args:
        mode: The mode.
        codec: JSON for the upstream's schema.
        to_json: Returns the JSON of a serialized response.
    """
    if mode is Mode.PROTO:
        return ProtoFraming(codec)
    return (JsonFraming if mode is Mode.JSON else BareFraming)(codec, to_json)


def metadata_tree(metadata: MetadataPairs) -> dict[str, list[str]]:
    """Return metadata as JSON: each name with its values in order, `-bin` values in base64 without padding."""
    tree: dict[str, list[str]] = {}
    for name, value in from_metadata(metadata):
        tree.setdefault(name, []).append(value)
    return tree


def end_tree(status: Status, trailing: MetadataPairs, codec: Codec) -> dict[str, object]:
    """Return how a call ended, as JSON."""
    return {"status": status_tree(status, codec), "trailers": metadata_tree(trailing)}


def _text(frame: Frame, mode: Mode) -> bytes:
    if isinstance(frame, str):
        return frame.encode()
    raise FrameRefused(
        f"`{mode.value}` takes text frames, and this is a binary frame; `{Mode.PROTO.value}` takes those",
        UNSUPPORTED_DATA,
    )
