"""What header blocks are made of (RFC 7541 sections 5 and 6): integers, strings, and fields that need no table."""

from __future__ import annotations

from typing import Final

from edge.wire.hpack_table import DEFAULT_TABLE_SIZE, FIELD_OVERHEAD, FIRST_DYNAMIC, STATIC_NAMES, STATIC_PAIRS, Field
from edge.wire.huffman import encode as huffman

MAX_TABLE_SIZE: Final = DEFAULT_TABLE_SIZE
"""The most octets of dynamic table we encode with, however many a peer allows."""

SECRET: Final = frozenset(
    {"authorization", "proxy-authorization", "set-cookie", "x-api-key", "api-key", "apikey", "x-apikey"}
    | {"x-goog-api-key", "x-goog-iam-authorization-token", "x-auth-token", "x-access-token", "x-csrf-token"}
    | {"x-xsrf-token", "x-amz-security-token", "x-vault-token", "x-forwarded-access-token", "private-token"}
)
"""Names whose values are never indexed, so that nobody can guess them by the size of blocks (section 7.1.3)."""

_KEPT_NAMES: Final = 512
"""How many names' encodings are remembered in the process, 100 KB at most; when it is full it starts anew."""

_KEPT_OCTETS: Final = 64
"""The longest name that is remembered."""

KEPT_LENGTHS: Final = 512
"""Lengths under this one are encoded beforehand."""

_MAX_INDEX: Final = FIRST_DYNAMIC + MAX_TABLE_SIZE // FIELD_OVERHEAD


def encode_integer(value: int, bits: int, flags: int) -> bytes:
    """Encode an integer (section 5.1).

    Args:
        value: The integer, not negative.
        bits: Bits of the prefix, 1 to 8.
        flags: The bits of the first octet before the prefix.
    """
    limit = (1 << bits) - 1
    if value < limit:
        return bytes((flags | value,))
    octets = [flags | limit]
    value -= limit
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _heads(bits: int, flags: int) -> list[bytes]:
    """Return what begins a field, by index of its name or of all of it; 0 is followed by the name."""
    return [encode_integer(index, bits, flags) for index in range(_MAX_INDEX)]


INDEXED: Final = _heads(7, 0x80)
INSERTED: Final = _heads(6, 0x40)
PLAIN: Final = _heads(4, 0x00)
NEVER: Final = _heads(4, 0x10)

STATIC: Final[dict[Field, bytes]] = {field: INDEXED[index] for field, index in STATIC_PAIRS.items()}
"""The fields of the static table, encoded."""

LENGTHS: Final = [encode_integer(length, 7, 0) for length in range(KEPT_LENGTHS)]
"""How long strings begin that are not Huffman-coded."""

_names: Final[dict[str, bytes]] = {}
_literal_names: Final[dict[str, bytes]] = {}


def append_literal(name: str, value: str, out: list[bytes]) -> None:
    """Append one field without indexing, whatever the state of a connection: for what differs in every call.

    It may stand anywhere in a block but in front of a size update, so put what `Encoder` returns first. The name is by
    index where the static table has it, and literal where not. A name of `SECRET` makes it never-indexed.

    Raises:
        ValueError: The name or the value has a character outside latin-1.
    """
    head = _literal_names.get(name)
    try:
        if head is None:
            index = STATIC_NAMES.get(name, 0)
            heads = NEVER if name in SECRET else PLAIN
            head = heads[index] if index else heads[0] + encode_name(name)
            if len(name) <= _KEPT_OCTETS:
                if len(_literal_names) >= _KEPT_NAMES:
                    _literal_names.clear()
                _literal_names[name] = head
        data = value.encode("latin-1")
    except UnicodeEncodeError:
        raise unfit(name) from None
    length = len(data)
    out.append(head)
    out.append(LENGTHS[length] if length < KEPT_LENGTHS else encode_integer(length, 7, 0))
    out.append(data)


def literal(name: str, value: str) -> bytes:
    """Return one field as `append_literal` encodes it.

    Raises:
        ValueError: As `append_literal`.
    """
    out: list[bytes] = []
    append_literal(name, value, out)
    return b"".join(out)


def encode_name(name: str) -> bytes:
    """Return the octets of a name with their length, in the shorter code; they are remembered."""
    octets = _names.get(name)
    if octets is None:
        out: list[bytes] = []
        append_shorter(name.encode("latin-1"), out)
        octets = b"".join(out)
        if len(name) <= _KEPT_OCTETS:
            if len(_names) >= _KEPT_NAMES:
                _names.clear()
            _names[name] = octets
    return octets


def append_raw(data: bytes, out: list[bytes]) -> None:
    """Append a string as it is."""
    length = len(data)
    out.append(LENGTHS[length] if length < KEPT_LENGTHS else encode_integer(length, 7, 0))
    out.append(data)


def append_shorter(data: bytes, out: list[bytes]) -> None:
    """Append a string, Huffman-coded when that is shorter."""
    coded = huffman(data)
    if len(coded) < len(data):
        out.append(encode_integer(len(coded), 7, 0x80))
        out.append(coded)
    else:
        append_raw(data, out)


def unfit(name: str) -> ValueError:
    """Return the error of a field that cannot be sent; it does not quote the value."""
    return ValueError(
        f"header {name[:100]!a} has a character outside latin-1 in its name or value: "
        "encode it, for gRPC metadata as bytes in a header that ends in -bin"
    )
