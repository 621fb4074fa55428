"""The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B), both ways.

The code is canonical: the lengths of appendix B alone decide it. Short strings are decoded octet by octet through a
table whose rows, one per inner node of the code's tree, are made when they are first needed: importing costs next to
nothing. Long ones go through zlib: the code of DEFLATE (RFC 1951 section 3.2.2) is canonical as well, so a block whose
header has the lengths of appendix B holds HPACK's very bits.
"""

from __future__ import annotations

import zlib
from typing import Final


class HpackError(Exception):
    """A header block that cannot be decoded: COMPRESSION_ERROR of the whole connection (RFC 9113 section 4.3).

    The decoder's table is out of step with the peer's afterwards, so the connection has to end. The message never
    quotes a value.
    """


_LENGTHS: Final = bytes.fromhex(
    "0d 17 1c 1c 1c 1c 1c 1c 1c 18 1e 1c 1c 1e 1c 1c 1c 1c 1c 1c 1c 1c 1e 1c 1c 1c 1c 1c 1c 1c 1c 1c 06 0a 0a 0c "
    "0d 06 08 0b 0a 0a 08 0b 08 06 06 06 05 05 05 06 06 06 06 06 06 06 07 08 0f 06 0c 0a 0d 06 07 07 07 07 07 07 "
    "07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 08 07 08 0d 13 0d 0e 06 0f 05 06 05 06 05 06 06 06 05 07 07 "
    "06 06 06 05 06 07 06 05 05 06 07 07 07 07 07 0f 0b 0e 0d 1c 14 16 14 14 16 16 16 17 16 17 17 17 17 17 18 17 "
    "18 18 16 17 18 17 17 17 17 15 16 17 16 17 17 18 16 15 14 16 16 17 17 15 17 16 16 18 15 16 17 17 15 15 16 15 "
    "17 16 17 17 14 16 16 16 17 16 16 17 1a 1a 14 13 16 17 16 19 1a 1a 1a 1b 1b 1a 18 19 13 15 1a 1b 1b 1a 1b 18 "
    "15 15 1a 1a 1c 1b 1b 1b 14 18 14 15 16 15 15 17 16 16 19 19 18 18 1a 17 1a 1b 1a 1a 1b 1b 1b 1b 1b 1c 1b 1b "
    "1b 1b 1b 1a 1e"
)
"""Bits of the code of each octet, and of EOS at the end.

In hexadecimal, because a tuple of them makes gcc work on mypyc's output for minutes.
"""

_CODE_BITS: Final = _LENGTHS[:-1]

_EOS: Final = chr(256)
"""What EOS, which must not be in a string, is decoded to: the one character that no other code stands for."""

_KEPT_OCTETS: Final = 64
"""The longest encoded string that is remembered."""

_KEPT_STRINGS: Final = 1024
"""How many strings are remembered in the process, 250 KB at most; when it is full it starts anew."""

_kept: Final[dict[bytes, str]] = {}


def _codes() -> list[str]:
    codes = [""] * len(_LENGTHS)
    code = 0
    before = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code <<= length - before
        codes[symbol] = format(code, f"0{length}b")
        code += 1
        before = length
    return codes


_CODES: Final = _codes()
"""The code of each symbol as text of 0 and 1."""


def _tree() -> list[list[int]]:
    """Return what follows each inner node on 0 and on 1: another node, or `~symbol` where a code ends."""
    nodes: list[list[int]] = [[0, 0]]
    for symbol, code in enumerate(_CODES):
        node = 0
        for bit in code[:-1]:
            if not nodes[node][int(bit)]:
                nodes.append([0, 0])
                nodes[node][int(bit)] = len(nodes) - 1
            node = nodes[node][int(bit)]
        nodes[node][int(code[-1])] = ~symbol
    return nodes


_TREE: Final = _tree()
"""The inner nodes, 0 (the root) to 255: as many as fit into an octet."""


def _paddings() -> frozenset[int]:
    """Return the states that a string may end in: after a symbol, or up to 7 bits into EOS, which is all ones."""
    node = 0
    states = {0}
    for _ in range(7):
        node = _TREE[node][1]
        states.add(node)
    return frozenset(states)


_PADDINGS: Final = _paddings()

# apart, and without a tuple for each octet, they are a tenth of the memory: what a string leads through stays cached
_texts: Final[list[list[str]]] = [[] for _ in _TREE]
"""By state and octet: the text that the octet completes. An empty row has not been made yet."""
_states: Final[list[bytes]] = [b"" for _ in _TREE]
"""By state and octet: the next state."""
_interned: Final[dict[str, str]] = {}


def _make_row(state: int) -> None:
    row: list[tuple[int, str]] = [(state, "")]
    for _ in range(8):
        row = [(after, text) if after >= 0 else (0, text + chr(~after)) for node, text in row for after in _TREE[node]]
    _states[state] = bytes([after for after, _ in row])
    _texts[state] = [_interned.setdefault(text, text) for _, text in row]


_REVERSED: Final = bytes([int(format(octet, "08b")[::-1], 2) for octet in range(256)])
"""DEFLATE fills octets from their lowest bit."""

_LONGEST_CODE: Final = 15
"""Of DEFLATE. Symbols with longer ones are hardly ever sent; all begin with 15 ones, where the block ends for zlib."""

_END: Final = b"\xff\x7f"
"""15 ones and a zero: the end of the block, unless the string ended inside a symbol and took some of the ones."""

_SHORT: Final = 16 if __file__.endswith(".py") else 96
"""Octets under which the table is quicker than zlib, in Python and compiled."""


def _block_header() -> bytes:
    """Return a header of a DEFLATE block with our lengths, which ends with an octet (RFC 1951 section 3.2.7)."""
    fixed_and_empty = "010" + "0000000"
    lengths = [length if length <= _LONGEST_CODE else 0 for length in _LENGTHS[:-1]]
    # the lengths 0 to 15 in 4 bits each, in the order they are asked for; 16 to 18, the first three, are not used
    code_lengths = "000" * 3 + "001" * 16
    codes = "".join([format(length, "04b") for length in (*lengths, _LONGEST_CODE, 1)])
    bits = fixed_and_empty * 3 + "1" + "01" + "00000" + "00000" + "1111" + code_lengths + codes
    return bytes([int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)])


def _inflater() -> zlib._Decompress:
    """Return a decompressor that has read the header, to be copied for each string."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(_block_header())
    return inflater


_INFLATER: Final = _inflater()


def decode(data: bytes) -> str:
    """Decode one string to latin-1 text, and remember nothing of it: right for what may be a secret.

    Raises:
        HpackError: The string has EOS in it, or ends in anything but at most 7 bits of EOS (RFC 7541 section 5.2).
    """
    if len(data) < _SHORT:
        return _decode_by_table(data)
    inflater = _INFLATER.copy()
    found = inflater.decompress(data.translate(_REVERSED) + _END)
    if inflater.eof:
        # the padding has 0 to 6 bits when all of `_END` was used, and 7 or too many when one octet of it is left
        left = len(inflater.unused_data)
        if not left or (left == 1 and 8 * len(data) - sum(found.translate(_CODE_BITS)) == 7):
            return found.decode("latin-1")
    return _decode_by_table(data)


def _decode_by_table(data: bytes) -> str:
    texts = _texts
    states = _states
    parts: list[str] = []
    state = 0
    rest = data
    while True:
        try:
            for octet in rest:
                parts.append(texts[state][octet])
                state = states[state][octet]
            break
        except IndexError:
            # the row is not there yet; each octet before gave one part
            _make_row(state)
            rest = data[len(parts) :]
    decoded = "".join(parts)
    if _EOS in decoded:
        raise HpackError("a Huffman-coded string has EOS in it")
    if state not in _PADDINGS:
        raise HpackError("a Huffman-coded string ends inside a symbol or in padding that is not up to 7 bits of ones")
    return decoded


def decode_kept(data: bytes) -> str:
    """Decode one string to latin-1 text; short ones are remembered, as peers send the same again and again.

    Raises:
        HpackError: As `decode`.
    """
    text = _kept.get(data)
    if text is None:
        text = decode(data)
        if len(data) <= _KEPT_OCTETS:
            if len(_kept) >= _KEPT_STRINGS:
                _kept.clear()
            _kept[data] = text
    return text


def encode(data: bytes) -> bytes:
    """Encode one string, padded with ones to whole octets.

    It costs about 2 µs for 50 octets, so it is for what is sent many times by one encoding.
    """
    bits = "".join([_CODES[octet] for octet in data])
    if not bits:
        return b""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
