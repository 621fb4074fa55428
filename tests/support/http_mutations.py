"""HTTP/1.1 with small changes that could make two readers disagree, and llhttp as the other reader."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, HttpResponseParser
from hypothesis import strategies as st

LIMIT = 4096
"""The longest line and header llhttp is to take, in bytes."""

PIECES = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n ",
    b" ",
    b"\x00",
    b"\x0b",
    b"\x85",
    b"\xa0",
    b"_",
    b"+",
    b"-",
    b"0x",
    b",",
    b";",
    b":",
    b'"',
    b"0",
    b"1",
    b"a",
    b"\xc2\xb2",
    b"\xff",
    b"0" * 17,
    b"f" * 16,
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b" chunked",
    b"chunked, ",
    b"Content-Length: 3\r\n",
    b"Host: b\r\n",
    b"Connection: close\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1",
]

Change = tuple[int, int, bytes]
CHANGES: st.SearchStrategy[list[Change]] = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 3), st.sampled_from([b"", *PIECES])), max_size=3
)
"""Where, how many bytes go, and what comes in their place."""


def changed(data: bytes, changes: list[Change]) -> bytes:
    """Return the bytes with changes made."""
    for place, gone, piece in changes:
        at = place % (len(data) + 1)
        data = data[:at] + piece + data[at + gone :]
    return data


class Llhttp:
    """What llhttp reads, or why it does not.

    Args:
        data: The bytes.
        answers: Whether they are answers and not requests.
    """

    def __init__(self, data: bytes, *, answers: bool = False) -> None:
        self.messages: list[tuple[Any, tuple[tuple[str, str], ...], bytes]] = []
        """aiohttp's messages, their headers and bodies."""
        self.refusal = ""
        """Why it reads no further. Empty when it does."""
        loop = asyncio.new_event_loop()
        options: Any = {"max_line_size": LIMIT, "max_field_size": LIMIT}
        protocol = Mock(spec=BaseProtocol)
        parser = (
            HttpResponseParser(protocol, loop, 2**16, response_with_body=True, read_until_eof=True, **options)
            if answers
            else HttpRequestParser(protocol, loop, 2**16, **options)
        )
        try:
            found, _, _ = parser.feed_data(data)
        except HttpProcessingError as error:
            self.refusal = str(error)
            found = []
        finally:
            loop.close()
        for message, payload in found:
            pairs = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in message.raw_headers)
            failure = getattr(payload, "_exception", None)
            self.refusal = self.refusal or ("" if failure is None else str(failure))
            self.messages.append((message, pairs, b"".join(getattr(payload, "_buffer", ()))))
