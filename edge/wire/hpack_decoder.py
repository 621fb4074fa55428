"""Header blocks to fields (RFC 7541 sections 3, 5 and 6), within bounds that a peer cannot widen."""

from __future__ import annotations

from typing import Final

from edge.wire.hpack_table import DEFAULT_TABLE_SIZE, FIELD_OVERHEAD, DecoderTable, Field
from edge.wire.huffman import HpackError, decode, decode_kept

__all__ = ["Decoder", "Field", "HpackError"]

NONE: Final[frozenset[str]] = frozenset()

_MAX_CONTINUATIONS: Final = 5
"""Octets that may continue an integer: values up to 2**35, more than any length or index that can be valid."""

FIRST_FIELDS: Final = 12
"""The fields that are given of a block that is too large: the pseudo-headers and what mostly comes right behind."""

_MAX_UPDATES: Final = 2
"""Size updates in front of a block: the smallest size since the last block, and the one in force (section 4.2)."""


class Decoder:
    """The decoding end of one direction of a connection.

    After an `HpackError` it is out of step with the peer and must not be used again.

    Args:
        max_table_size: Octets of the dynamic table, in force from the first block. Leave it at the 4096 that every
            HTTP/2 connection begins with; what SETTINGS announce goes to `set_max_table_size` when acknowledged.
        max_list_size: Octets that the fields of one block may count: name, value and 32 for each (RFC 9113 section
            6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE).
        max_fields: How many fields one block may have.
    """

    def __init__(
        self, max_table_size: int = DEFAULT_TABLE_SIZE, max_list_size: int = 16384, max_fields: int = 128
    ) -> None:
        self.generation = 0
        """Grows with every change of the dynamic table: insertion, eviction, size update."""
        self.too_large = False
        """The last block was over `max_list_size` or `max_fields`: it was decoded to its end, so that the table stays
        in step, but only the first of its fields were kept."""
        self.too_many = False
        """Whether it was `too_large` by the number of its fields alone."""
        self.size = 0
        """What the fields of the last block count: name, value and 32 for each."""
        self.literals: list[int] = []
        """Which fields of the last block came as literals and not by their index."""
        self.sensitive: frozenset[str] = NONE
        """The names of the last block's never-indexed literals: whoever sends them on must not index them either
        (RFC 7541 section 7.1.3)."""
        self.table = DecoderTable(max_table_size)
        """The tables. To be read only."""
        self._allowed = max_table_size
        self._required = -1
        self._max_list_size = max_list_size
        self._max_fields = max_fields

    def set_max_table_size(self, size: int) -> None:
        """Allow the peer a dynamic table of `size` octets, from when it has acknowledged our SETTINGS.

        When its table is larger now, its next block has to begin with a size update to `size` or less (RFC 7541 section
        4.2, RFC 9113 section 4.3.1).
        """
        self._allowed = size
        if size < self.table.capacity and (self._required < 0 or size < self._required):
            self._required = size

    def decode(self, block: bytes) -> list[Field]:
        """Decode one whole header block.

        Args:
            block: The fragments of HEADERS or PUSH_PROMISE and all CONTINUATION frames, joined.

        Returns:
            The fields in order; the list is the caller's. When the block was `too_large` only the first ones, by which
            it can be answered.

        Raises:
            HpackError: The block breaks RFC 7541. The connection must end.
        """
        self.too_large = False
        self.sensitive = NONE
        end = len(block)
        position = self._size_updates(block) if self._required >= 0 or (end and block[0] & 0xE0 == 0x20) else 0
        table = self.table
        entries = table.entries
        sizes = table.sizes
        limit = self._max_list_size
        total = 0
        fields: list[Field] = []
        hidden: list[str] = []
        literals: list[int] = []
        index = 0
        try:
            while position < end:
                octet = block[position]
                position += 1
                if 0x80 < octet < 0xFF:
                    index = octet - 0x80
                    fields.append(entries[index])
                    total += sizes[index]
                elif octet >= 0x80:
                    if octet == 0x80:
                        raise HpackError("an indexed field has index 0")
                    index, position = _integer(block, position, 0x7F)
                    fields.append(entries[index])
                    total += sizes[index]
                else:
                    if octet >= 0x40:
                        mask = 0x3F
                    elif octet < 0x20:
                        mask = 0x0F
                    else:
                        raise HpackError("a table size update comes after the first field of a block")
                    index = octet & mask
                    if index == mask:
                        index, position = _integer(block, position, mask)
                    secret = octet & 0x50 == 0x10
                    if index:
                        name = entries[index][0]
                    else:
                        name, position = _string(block, position, kept=True)
                    length = block[position] if position < end else 0xFF
                    stop = position + 1 + (length & 0x7F)
                    if length & 0x7F == 0x7F or stop > end:
                        value, position = _string(block, position, kept=octet < 0x10)
                    else:
                        data = block[position + 1 : stop]
                        position = stop
                        if length < 0x80:
                            value = data.decode("latin-1")
                        elif octet < 0x10:
                            value = decode_kept(data)
                        else:
                            # a secret, or what comes by its index the next time
                            value = decode(data)
                    field = (name, value)
                    literals.append(len(fields))
                    fields.append(field)
                    size = len(name) + len(value) + FIELD_OVERHEAD
                    total += size
                    if octet >= 0x40:
                        table.insert(field, size)
                        self.generation += 1
                        # what was an index just now may lie outside after an eviction
                        index = 0
                    elif secret:
                        hidden.append(name)
                if total > limit:
                    # decode on for the table's sake, and keep only what tells who asks
                    del fields[FIRST_FIELDS:]
                    hidden.clear()
                    literals.clear()
        except IndexError:
            raise HpackError(f"index {index} is beyond the table, which has {len(entries) - 1} entries") from None
        self.size = total
        self.literals = literals
        if total > limit or len(fields) > self._max_fields:
            self.too_large = True
            self.too_many = total <= limit
            del fields[FIRST_FIELDS:]
        if hidden:
            self.sensitive = frozenset(hidden)
        return fields

    def _size_updates(self, block: bytes) -> int:
        """Obey the size updates in front of a block, and return where its fields begin."""
        position = 0
        count = 0
        while position < len(block) and block[position] & 0xE0 == 0x20:
            size = block[position] & 0x1F
            position += 1
            if size == 0x1F:
                size, position = _integer(block, position, 0x1F)
            count += 1
            if count > _MAX_UPDATES:
                raise HpackError(f"a block begins with more than {_MAX_UPDATES} table size updates")
            if size > self._allowed:
                raise HpackError(f"a table size update to {size} octets is over the {self._allowed} allowed")
            if count == 1 and self._required >= 0:
                if size > self._required:
                    raise HpackError(f"a table size update to {size} octets comes where {self._required} are required")
                self._required = -1
            self.table.resize(size)
            self.generation += 1
        if self._required >= 0:
            raise HpackError(f"a block does not begin with the size update to {self._required} octets that is required")
        return position


def _integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    """Read the octets that continue an integer whose prefix was all ones; return it and where it ends (section 5.1)."""
    end = min(len(block), position + _MAX_CONTINUATIONS)
    value = mask
    shift = 0
    while position < end:
        octet = block[position]
        position += 1
        value += (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
        shift += 7
    raise HpackError(
        "a block ends inside an integer"
        if position == len(block) and shift < 7 * _MAX_CONTINUATIONS
        else f"an integer has more than {_MAX_CONTINUATIONS} octets after its prefix"
    )


def _string(block: bytes, position: int, *, kept: bool) -> tuple[str, int]:
    """Read a string, and with `kept` remember it; return it and where it ends (section 5.2)."""
    if position >= len(block):
        raise HpackError("a block ends before a string")
    octet = block[position]
    position += 1
    length = octet & 0x7F
    if length == 0x7F:
        length, position = _integer(block, position, 0x7F)
    stop = position + length
    if stop > len(block):
        raise HpackError(f"a string of {length} octets is longer than what is left of its block")
    data = block[position:stop]
    if octet < 0x80:
        return data.decode("latin-1"), stop
    return (decode_kept(data) if kept else decode(data)), stop
