"""Fields to header blocks (RFC 7541 sections 2, 5 and 6): what repeats goes into the table, what does not stays out.

    credential, or marked as such               never-indexed literal, raw
    in a table                                  index
    second time that a pair is sent             inserted; Huffman-coded, as that is paid once
    second time that an unknown name is sent    inserted with its value, so that the name has an index from then on
    anything else                               literal without indexing: name by index where it has one, value raw

Values that go without indexing are not Huffman-coded: that would cost 2 µs of CPU here and as much at the reader, to
save a quarter of the octets of what is mostly a few dozen of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge.wire.hpack_literals import (
    INDEXED,
    INSERTED,
    KEPT_LENGTHS,
    LENGTHS,
    MAX_TABLE_SIZE,
    NEVER,
    PLAIN,
    SECRET,
    STATIC,
    append_raw,
    append_shorter,
    encode_integer,
    encode_name,
    literal,
    unfit,
)
from edge.wire.hpack_table import FIELD_OVERHEAD, FIRST_DYNAMIC, STATIC_NAMES, EncoderTable, Field

__all__ = ["NONE", "Encoder", "Field", "literal"]

NONE: Final[frozenset[str]] = frozenset()
"""No names."""

_SHORT_COOKIE: Final = 20
"""Octets under which a cookie can be guessed piece by piece, and is never indexed (section 7.1.3)."""

_FLEETING: Final = frozenset({"content-length", "grpc-timeout", "age"})
"""Names whose values vary within a small range: some would repeat by chance and push out what stays."""

_SEEN: Final = 64
"""How many pairs and names the newer half of an encoder's memory has; the older half has as many."""

_KEPT_BLOCKS: Final = 256
"""How many blocks `encode_kept` remembers; when it is full it starts anew."""


class Encoder:
    """The encoding end of one direction of a connection. Its table has 4096 octets until the peer says otherwise.

    Each block that is returned has to be sent, and in this order.
    """

    def __init__(self) -> None:
        self.generation = 0
        """Grows with every change of the dynamic table: insertion, eviction, another size."""
        self.table = EncoderTable(MAX_TABLE_SIZE)
        """The dynamic table. To be read only."""
        self._smallest = -1
        self._learned = False
        self._newer: set[int] = set()
        self._older: set[int] = set()
        self._kept: dict[int, tuple[tuple[Field, ...], frozenset[str], bytes]] = {}

    def set_max_table_size(self, size: int) -> None:
        """Obey the peer's SETTINGS_HEADER_TABLE_SIZE; the size update goes in front of the next block.

        When it changes several times before that block, the smallest and the last are announced (section 4.2).

        Args:
            size: Octets the peer allows. We use at most 4096 of them.
        """
        size = min(size, MAX_TABLE_SIZE)
        if size != self.table.capacity:
            self._smallest = size if self._smallest < 0 else min(self._smallest, size)
            self._resize(size)

    def encode(self, fields: Sequence[Field], sensitive: frozenset[str] = NONE) -> bytes:
        """Encode a header block.

        Args:
            fields: Names in lower case and values.
            sensitive: Names that must be never-indexed literals, beside those that always are.

        Raises:
            ValueError: A name or value has a character outside latin-1. The encoder stays in step with the peer.
        """
        out: list[bytes] = []
        if self._smallest >= 0:
            self._announce(out)
        table = self.table
        pairs = table.pairs
        name = ""
        try:
            for field in fields:
                name = field[0]
                if sensitive and name in sensitive:
                    self._never(field, out)
                    continue
                number = pairs.get(field)
                if number is not None:
                    out.append(INDEXED[FIRST_DYNAMIC + table.count - number])
                    continue
                octets = STATIC.get(field)
                if octets is not None:
                    out.append(octets)
                else:
                    self._literal(field, out)
        except Exception as error:
            # what was inserted for this block never reaches the peer: both begin anew with an empty table
            capacity = self.table.capacity
            self._resize(0)
            self._resize(capacity)
            self._smallest = 0
            if isinstance(error, UnicodeEncodeError):
                raise unfit(name) from None
            raise
        return b"".join(out)

    def encode_kept(self, fields: tuple[Field, ...], sensitive: frozenset[str] = NONE) -> bytes:
        """Encode a header block as `encode` does, and remember it by the tuple's identity while the table stays.

        It is for tuples that are sent again and again. Only a block is remembered that would be the same the next time:
        one that inserted nothing, announced nothing, and had nothing in it that the encoder would insert when it comes
        again.

        Args:
            fields: Names and values.
            sensitive: As for `encode`.

        Raises:
            ValueError: As `encode`.
        """
        kept = self._kept.get(id(fields))
        if kept is not None and (kept[1] is sensitive or kept[1] == sensitive):
            return kept[2]
        if self._smallest >= 0:
            return self.encode(fields, sensitive)
        generation = self.generation
        self._learned = False
        block = self.encode(fields, sensitive)
        if generation == self.generation and not self._learned:
            if len(self._kept) >= _KEPT_BLOCKS:
                self._kept.clear()
            # the reference keeps another tuple from getting the same identity
            self._kept[id(fields)] = (fields, sensitive, block)
        return block

    def _announce(self, out: list[bytes]) -> None:
        capacity = self.table.capacity
        if self._smallest < capacity:
            out.append(encode_integer(self._smallest, 5, 0x20))
        out.append(encode_integer(capacity, 5, 0x20))
        self._smallest = -1

    def _never(self, field: Field, out: list[bytes]) -> None:
        self._append(NEVER, field[0], out)
        append_raw(field[1].encode("latin-1"), out)

    def _literal(self, field: Field, out: list[bytes]) -> None:
        """Encode a field that is in no table."""
        name, value = field
        if name in SECRET or (name == "cookie" and len(value) < _SHORT_COOKIE):
            self._never(field, out)
            return
        data = value.encode("latin-1")
        length = len(data)
        table = self.table
        # what takes more than half of the table would push out too much
        if name not in _FLEETING and (len(name) + length + FIELD_OVERHEAD) * 2 <= table.capacity:
            # hashes and not the fields, so that no value is held; two fields with one hash cost an insertion, no more
            pair = hash(field)
            newer = self._newer
            if pair in newer or pair in self._older:
                self._insert(field, pair, data, out)
                return
            self._learned = True
            if len(newer) >= _SEEN:
                self._older = newer
                newer = self._newer = set()
            newer.add(pair)
            if name not in STATIC_NAMES and name not in table.names:
                alone = hash(name)
                if alone in newer or alone in self._older:
                    self._insert(field, alone, data, out)
                    return
                newer.add(alone)
        self._append(PLAIN, name, out)
        out.append(LENGTHS[length] if length < KEPT_LENGTHS else encode_integer(length, 7, 0))
        out.append(data)

    def _insert(self, field: Field, seen: int, data: bytes, out: list[bytes]) -> None:
        """Encode a field and put it into the table. Once it is evicted, it has to come twice again."""
        self._newer.discard(seen)
        self._older.discard(seen)
        self._append(INSERTED, field[0], out)
        append_shorter(data, out)
        self.table.insert(field)
        self._changed()

    def _append(self, heads: list[bytes], name: str, out: list[bytes]) -> None:
        """Append what begins a field: its name by index where it has one, or by its octets."""
        index = STATIC_NAMES.get(name, 0)
        if index == 0:
            table = self.table
            number = table.names.get(name)
            if number is not None:
                index = FIRST_DYNAMIC + table.count - number
        out.append(heads[index])
        if index == 0:
            out.append(encode_name(name))

    def _resize(self, size: int) -> None:
        self.table.resize(size)
        self._changed()

    def _changed(self) -> None:
        self.generation += 1
        if self._kept:
            self._kept.clear()
