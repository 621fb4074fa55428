"""Header compression (RFC 9113 4.3, RFC 7541)."""

from __future__ import annotations

import hpack

from tests.integration.wire.frames_client import (
    Code,
    Setting,
    continuation,
    headers,
    integer,
    literal,
    settings,
    text,
)
from tests.integration.wire.place import Place, Render, Request, cut, of_block
from tests.integration.wire.steps import (
    Case,
    Slowly,
    acknowledged,
    answered,
    case,
    connection_error,
)

COMPRESSION = connection_error(Code.COMPRESSION_ERROR)
NEEDS = frozenset({Request().ask})
EOS = b"\xff\xff\xff\xff"


def _then(more: bytes) -> Render:
    """A request whose header block goes on with these octets."""
    return of_block(lambda found: headers(1, found + more))


def _after(more: bytes) -> Render:
    """A request whose header block begins with these octets."""
    return of_block(lambda found: headers(1, more + found))


def _huffman(octets: bytes) -> bytes:
    """A literal without indexing whose value is marked as Huffman code."""
    return b"\x00" + text("x-test") + integer(len(octets), 7, 0x80) + octets


def _resize(size: int) -> bytes:
    return integer(size, 5, 0x20)


def _encoded(stream: int, *, huffman: bool = True, again: int = 1) -> Render:
    """Requests of a common encoder that indexes: the second one is made of indices."""

    def make(place: Place) -> bytes:
        encoder = hpack.Encoder()
        fields = [*Request().fields(place), ("x-test", "some value that is long enough"), ("user-agent", "cases/1")]
        return b"".join(
            headers(stream + 2 * number, encoder.encode(fields, huffman=huffman)) for number in range(again)
        )

    return Render(make, NEEDS)


def _above_table(offset: int) -> Render:
    """A size update that differs so much from what the server allows."""

    def make(place: Place) -> bytes:
        size = place.setting(Setting.HEADER_TABLE_SIZE)
        return headers(1, _resize(size + offset) + Request().block(place))

    return Render(make, NEEDS)


def _literal_as(first: int) -> Render:
    """A request in which every field has this representation."""
    return Render(
        lambda place: headers(1, b"".join(literal(name, value, first) for name, value in Request().fields(place))),
        NEEDS,
    )


GOOD_CASES = (
    case("7541 6.2.1", "literals with indexing are taken", _literal_as(0x40), answered()),
    case("7541 6.2.2", "literals without indexing are taken", _literal_as(0x00), answered()),
    case("7541 6.2.3", "literals never indexed are taken", _literal_as(0x10), answered()),
    case("7541 6.1", "fields of the dynamic table are taken",
         _encoded(1, again=3), answered(1), answered(3), answered(5)),
    case("7541 6.1", "fields of the dynamic table without Huffman code are taken",
         _encoded(1, huffman=False, again=3), answered(1), answered(3), answered(5)),
    case("7541 6.1", "an indexed field of the static table is taken", _then(integer(16, 7, 0x80)), answered()),
    case("7541 6.2.1", "an indexed name of the static table is taken",
         _then(integer(58, 6, 0x40) + text("cases/1")), answered()),
    case("7541 6.2.1", "an indexed name of the dynamic table is taken",
         _then(literal("x-test", "1", 0x40) + integer(62, 6, 0x40) + text("2") + integer(63, 7, 0x80)), answered()),
    case("7541 6.2.2", "an indexed name without indexing is taken",
         _then(integer(58, 4) + text("cases/1")), answered()),
    case("7541 6.2.3", "an indexed name never indexed is taken",
         _then(integer(23, 4, 0x10) + text("secret")), answered()),
    case("7541 5.2", "Huffman code is taken", _then(_huffman(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"))), answered()),
    case("7541 5.2", "an empty string in Huffman code is taken", _then(_huffman(b"")), answered()),
    case("7541 5.1", "an integer with a needless octet is taken",
         _then(b"\x00" + text("x-test") + b"\x7f\x81\x00" + b"a" * 128), answered()),
    case("7541 4.2", "a size update at the beginning is taken", _after(_resize(128)), answered()),
    case("7541 4.2", "a size update to what is allowed is taken", _above_table(0), answered()),
    case("7541 4.2", "two size updates at the beginning are taken",
         _after(_resize(0) + _resize(4096 // 4)), answered()),
    case("7541 4.4", "a field larger than the table is taken",
         of_block(lambda b: headers(1, _resize(64) + b + literal("x-test", "1" * 40, 0x40))), answered()),
    case("7541 4.3", "a size update to 0 empties the table",
         _encoded(1), answered(1), of_block(lambda b: headers(3, _resize(0) + integer(62, 7, 0x80) + b)), COMPRESSION),
    case("9113 4.3.1", "a table that the client makes smaller is used no more beyond it",
         settings((Setting.HEADER_TABLE_SIZE, 0)), acknowledged(2), _encoded(1, again=2), answered(1), answered(3)),
    case("9113 4.3.1", "a table that the client makes smaller and larger again",
         settings((Setting.HEADER_TABLE_SIZE, 0)), settings((Setting.HEADER_TABLE_SIZE, 4096)), acknowledged(3),
         _encoded(1, again=3), answered(1), answered(3), answered(5)),
    case("9113 4.3.1", "a large table of the client is not an error",
         settings((Setting.HEADER_TABLE_SIZE, 1 << 20)), acknowledged(2), _encoded(1, again=2), answered(1),
         answered(3)),
    case("9113 4.3", "a header block may be cut within a field, octet by octet",
         Slowly(cut(7, lambda a, b: headers(1, a, last=False) + continuation(1, b[:1], last=False)
                    + continuation(1, b[1:]))),
         answered()),
)  # fmt: skip

BAD_CASES = (
    case("9113 4.3", "a header block that does not decode", headers(1, b"\x80\x80\xff\xff\xff"), COMPRESSION),
    case("9113 4.3", "a header block that ends within a field", _then(b"\x00\x06x-te"), COMPRESSION),
    case("9113 4.3", "a header block that ends before a value", _then(b"\x00" + text("x-test")), COMPRESSION),
    case("9113 4.3", "a header block that ends within an integer",
         _then(b"\x00" + text("x-test") + b"\x7f"), COMPRESSION),
    case("9113 4.3", "a string longer than the header block",
         _then(b"\x00" + text("x-test") + integer(1 << 20, 7) + b"a"), COMPRESSION),
    case("9113 4.3", "a trailing block that does not decode",
         of_block(lambda found: headers(1, found, end=False)), headers(1, b"\xff\xff\xff\xff\xff\xff\xff"),
         COMPRESSION),
    case("9113 4.3", "a block of a stream that is refused is decoded all the same",
         headers(1, literal("x-test", "1", 0x40)), of_block(lambda b: headers(3, b + integer(62, 7, 0x80))),
         answered(3),
         gateway=True),
    case("7541 2.3.3", "an index beyond both tables", _then(integer(62, 7, 0x80)), COMPRESSION),
    case("7541 2.3.3", "an index far beyond both tables", _then(integer(70_000, 7, 0x80)), COMPRESSION),
    case("7541 2.3.3", "an index of a name beyond both tables", _then(integer(62, 6, 0x40) + text("1")), COMPRESSION),
    case("7541 2.3.3", "an index of a name beyond both tables, without indexing",
         _then(integer(70, 4) + text("1")), COMPRESSION),
    case("7541 2.3.3", "an index of a name beyond both tables, never indexed",
         _then(integer(70, 4, 0x10) + text("1")), COMPRESSION),
    case("7541 2.3.3", "an index one beyond the dynamic table",
         _then(literal("x-test", "1", 0x40) + integer(63, 7, 0x80)), COMPRESSION),
    case("7541 4.2", "a size update at the end of a block", _then(_resize(1)), COMPRESSION),
    case("7541 4.2", "a size update within a block", _then(_resize(1) + literal("x-test", "1")), COMPRESSION),
    case("7541 4.3", "a field that was evicted",
         _after(_resize(40) + literal("x-a", "1", 0x40) + literal("x-b", "2", 0x40) + integer(63, 7, 0x80)),
         COMPRESSION),
    case("7541 4.4", "a field larger than the table is not in it",
         _after(_resize(64) + literal("x-test", "1" * 40, 0x40) + integer(62, 7, 0x80)), COMPRESSION),
    case("7541 5.1", "an integer above every limit", _then(b"\xff" + b"\xff" * 10 + b"\x01"), COMPRESSION),
    case("7541 5.1", "an integer of endless octets", _then(b"\xff" + b"\x80" * 200 + b"\x01"), COMPRESSION),
    case("7541 5.1", "a length of a string above 2^32", _then(b"\x00\x7f\xff\xff\xff\xff\xff\x7f"), COMPRESSION),
    case("7541 5.2", "Huffman code with more than seven bits of padding", _then(_huffman(b"\x1f\xff")), COMPRESSION),
    case("7541 5.2", "Huffman code with padding of eight bits after an octet",
         _then(_huffman(b"\xf8\xff")), COMPRESSION),
    case("7541 5.2", "Huffman code with padding of zeros", _then(_huffman(b"\x18")), COMPRESSION),
    case("7541 5.2", "Huffman code with EOS", _then(_huffman(EOS)), COMPRESSION),
    case("7541 5.2", "Huffman code with EOS after an octet", _then(_huffman(b"\x1f" + EOS)), COMPRESSION),
    case("7541 5.2", "Huffman code with padding alone", _then(_huffman(b"\xff")), COMPRESSION),
    case("7541 6.1", "the index 0", _then(b"\x80"), COMPRESSION),
    case("7541 6.3", "a size update above HEADER_TABLE_SIZE", _above_table(1), COMPRESSION),
    case("7541 6.3", "a size update far above HEADER_TABLE_SIZE", _above_table(1 << 20), COMPRESSION),
    case("7541 6.3", "a size update above every limit", _after(b"\x3f" + b"\xff" * 9 + b"\x01"), COMPRESSION),
)  # fmt: skip

CASES: tuple[Case, ...] = (*GOOD_CASES, *BAD_CASES)
