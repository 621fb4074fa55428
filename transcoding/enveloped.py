"""The messages of a request whose body is a sequence of frames, as gRPC-Web and Connect streams send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.model.errors import GatewayError, TranscodingFailed, UnsupportedMedia
from edge.model.status import Code
from transcoding.compression import (
    GZIP,
    SUPPORTED_WORDS,
    BadCompressionError,
    DecompressedTooLargeError,
    decompress,
)
from transcoding.framing import COMPRESSED, CutFrameError, FrameDecoder, FrameTooLargeError
from transcoding.limits import in_time, too_large
from transcoding.session import Session


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where gRPC-Web and Connect differ."""

    encoding_header: str
    """The request header that names the compression of the messages."""

    malformed: Code
    """The code of bytes that are no frames."""


def broken(message: str, code: Code = Code.INVALID_ARGUMENT) -> TranscodingFailed:
    """Return the refusal of a body that breaks the rules of its protocol.

    Args:
        message: What is wrong with it and how to mend it.
        code: The code that the protocol has for that.
    """
    error = TranscodingFailed(message)
    error.code = code  # type: ignore[misc] # gRPC calls broken framing INTERNAL, Connect an invalid argument
    return error


def is_gzip(encoding: str, header: str) -> bool:
    """Return whether messages may be compressed, by the encoding that a caller names.

    Args:
        encoding: The value of the header. Empty means `identity`.
        header: Its name, for words.

    Raises:
        UnsupportedMedia: nobody here knows it.
    """
    named = encoding.strip().lower()
    if named in ("", "identity"):
        return False
    if named == GZIP:
        return True
    shown = named[:40].encode("ascii", "replace").decode()
    raise UnsupportedMedia(
        f"{header} `{shown}` is not supported; known are {SUPPORTED_WORDS}",
        metadata={"encoding": shown, "supported": SUPPORTED_WORDS},
    )


class MessageReader:
    """Reads the messages of a request one by one. No more than one message and one piece of the body are held.

    Args:
        session: The call, opened.
        dialect: Whose frames they are.
        limit: The largest message in bytes, compressed and not.
        decode: Undoes what is around the frames, such as base64. It may raise a GatewayError.
        end_decode: Is told that the body has ended, and may raise a GatewayError.

    Raises:
        UnsupportedMedia: the caller compresses in a way that is not known.
    """

    __slots__ = ("_ahead", "_decode", "_dialect", "_end_decode", "_ended", "_frames", "_gzip", "_limit", "_session")

    def __init__(
        self,
        session: Session,
        dialect: Dialect,
        limit: int,
        *,
        decode: Callable[[bytes], bytes] | None = None,
        end_decode: Callable[[], None] | None = None,
    ) -> None:
        self._session = session
        self._dialect = dialect
        self._limit = limit
        self._decode = decode
        self._end_decode = end_decode
        self._frames = FrameDecoder(limit)
        self._gzip = is_gzip(session.exchange.request.header(dialect.encoding_header), dialect.encoding_header)
        self._ahead: bytes | None = None
        self._ended = False

    async def read_ahead(self) -> None:
        """Wait for the first message, which `read` returns then. What is wrong with it is raised here already.

        Raises:
            DeadlineExceeded: it did not come in time.
            MessageTooLarge, TranscodingFailed, CallerGoneError: as `read`.
        """
        self._ahead = await in_time(self._session.call, self.read(), streams=True)

    async def read(self) -> bytes | None:
        """Return the next message, decompressed, or None at the end of the body.

        Raises:
            MessageTooLarge: it is larger than the route allows.
            TranscodingFailed: the body is not a sequence of whole frames, or a message does not decompress.
            CallerGoneError: the caller left.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead
        while True:
            try:
                found = self._frames.take()
            except FrameTooLargeError as error:
                raise too_large(self._session.call, "request", error.size) from None
            if found is not None:
                return self._message(*found)
            if self._ended:
                return None
            await self._fill()

    async def read_only(self, *, streams: bool) -> bytes:
        """Return the message of a request that holds exactly one.

        Args:
            streams: Whether answers stream, so that the route's time limit for streams holds.

        Raises:
            DeadlineExceeded: it did not come in time.
            UnsupportedMedia: it holds none, or more. gRPC calls that UNIMPLEMENTED (doc/statuscodes.md).
            MessageTooLarge, TranscodingFailed, CallerGoneError: as `read`.
        """
        return await in_time(self._session.call, self._read_only(), streams=streams)

    async def _read_only(self) -> bytes:
        message = await self.read()
        if message is None:
            raise _cardinality(self._session, "the body holds none")
        if await self.read() is not None:
            raise _cardinality(self._session, "the body holds more")
        return message

    async def _fill(self) -> None:
        data = await self._session.exchange.read()
        if data:
            self._frames.feed(data if self._decode is None else self._decode(data))
            return
        self._ended = True
        if self._end_decode is not None:
            self._end_decode()
        try:
            self._frames.end()
        except CutFrameError as error:
            raise broken(
                f"the body ends within a frame, after {error.missing}; send the length of each message in its frame",
                self._dialect.malformed,
            ) from None

    def _message(self, flags: int, payload: bytes) -> bytes:
        if not flags:
            return payload
        if flags != COMPRESSED:
            raise broken(
                f"a request frame begins with the flags {flags:#04x}; known are 0x00, and 0x01 for compressed",
                self._dialect.malformed,
            )
        if not self._gzip:
            raise broken(
                f"a frame is flagged as compressed, but {self._dialect.encoding_header} names no encoding; "
                f"send `{self._dialect.encoding_header}: {GZIP}` or clear the flag",
                Code.INTERNAL,
            )
        try:
            return decompress(payload, self._limit)
        except DecompressedTooLargeError:
            raise too_large(self._session.call, "request") from None
        except BadCompressionError as error:
            raise broken(f"a message does not decompress: {error}", self._dialect.malformed) from None


def _cardinality(session: Session, found: str) -> GatewayError:
    return UnsupportedMedia(f"{session.call.method} takes exactly one message and {found}")
