from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import hpack
import pytest
from hpack.exceptions import HPACKError
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import huffman
from edge.wire.hpack_decoder import FIRST_FIELDS, Decoder, Field, HpackError
from edge.wire.hpack_literals import encode_integer
from edge.wire.hpack_table import STATIC_FIELDS, STATIC_NAMES

REQUEST = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
SECURE = [(":method", "GET"), (":scheme", "https"), (":path", "/index.html"), (":authority", "www.example.com")]
CUSTOM = ("custom-key", "custom-value")
AUTHORITY = (":authority", "www.example.com")
NO_CACHE = ("cache-control", "no-cache")
DATE_21 = ("date", "Mon, 21 Oct 2013 20:13:21 GMT")
DATE_22 = ("date", "Mon, 21 Oct 2013 20:13:22 GMT")
LOCATION = ("location", "https://www.example.com")
PRIVATE = ("cache-control", "private")
GZIP = ("content-encoding", "gzip")
COOKIE = ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")

REQUESTS: list[tuple[list[Field], list[Field], int]] = [
    (REQUEST, [AUTHORITY], 57),
    ([*REQUEST, NO_CACHE], [NO_CACHE, AUTHORITY], 110),
    ([*SECURE, CUSTOM], [CUSTOM, NO_CACHE, AUTHORITY], 164),
]
"""Fields, table and its size after each block of C.3 and C.4."""
ANSWERS: list[tuple[list[Field], list[Field], int]] = [
    ([(":status", "302"), PRIVATE, DATE_21, LOCATION], [LOCATION, DATE_21, PRIVATE, (":status", "302")], 222),
    ([(":status", "307"), PRIVATE, DATE_21, LOCATION], [(":status", "307"), LOCATION, DATE_21, PRIVATE], 222),
    ([(":status", "200"), PRIVATE, DATE_22, LOCATION, GZIP, COOKIE], [COOKIE, GZIP, DATE_22], 215),
]
"""The same of C.5 and C.6."""

BLOCKS = {
    "C.3": [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ],
    "C.4": [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ],
    "C.5": [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f"
        "3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076"
        "657273696f6e3d31",
    ],
    "C.6": [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335df"
        "dfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ],
}

SEQUENCES = [
    pytest.param(4096, BLOCKS["C.3"], REQUESTS, id="C.3"),
    pytest.param(4096, BLOCKS["C.4"], REQUESTS, id="C.4"),
    pytest.param(256, BLOCKS["C.5"], ANSWERS, id="C.5"),
    pytest.param(256, BLOCKS["C.6"], ANSWERS, id="C.6"),
]


@pytest.mark.parametrize(("table_size", "blocks", "expected"), SEQUENCES)
def test_the_sequences_of_the_rfc_with_their_tables(
    table_size: int, blocks: list[str], expected: list[tuple[list[Field], list[Field], int]]
) -> None:
    decoder = Decoder(table_size)
    for block, (fields, table, used) in zip(blocks, expected, strict=True):
        assert decoder.decode(bytes.fromhex(block)) == fields
        assert decoder.table.dynamic() == table
        assert decoder.table.used == used
        assert not decoder.sensitive
        assert not decoder.too_large


@pytest.mark.parametrize(
    ("block", "field", "inserted", "sensitive"),
    [
        pytest.param(
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            *(("custom-key", "custom-header"), True, False),
            id="C.2.1",
        ),
        pytest.param("040c2f73616d706c652f70617468", (":path", "/sample/path"), False, False, id="C.2.2"),
        pytest.param("100870617373776f726406736563726574", ("password", "secret"), False, True, id="C.2.3"),
        pytest.param("82", (":method", "GET"), False, False, id="C.2.4"),
    ],
)
def test_the_representations_of_the_rfc(block: str, field: Field, inserted: bool, sensitive: bool) -> None:
    decoder = Decoder()
    assert decoder.decode(bytes.fromhex(block)) == [field]
    assert decoder.table.dynamic() == ([field] if inserted else [])
    assert decoder.table.used == (55 if inserted else 0)
    assert decoder.generation == inserted
    assert decoder.sensitive == (frozenset({field[0]}) if sensitive else frozenset())


def test_each_entry_of_the_static_table_by_its_index() -> None:
    theirs = hpack.Decoder()
    for index, field in enumerate(STATIC_FIELDS, 1):
        block = bytes((0x80 | index,))
        assert Decoder().decode(block) == [field]
        assert [(str(name), str(value)) for name, value in theirs.decode(block)] == [field]
    assert len(STATIC_FIELDS) == 61
    assert {name: STATIC_NAMES[name] for name in (":method", ":path", ":status")} == {
        ":method": 2,
        ":path": 4,
        ":status": 8,
    }


def test_what_was_never_indexed_is_said_of_each_block_anew() -> None:
    decoder = Decoder()
    secret = bytes.fromhex("100870617373776f726406736563726574")
    decoder.decode(secret + b"\x82")
    assert decoder.sensitive == {"password"}
    decoder.decode(b"\x82")
    assert decoder.sensitive == frozenset()
    # a block that also changes the table
    decoder.decode(secret + bytes.fromhex("40016101621001630164"))
    assert decoder.sensitive == {"password", "c"}


def test_a_secret_value_is_not_remembered() -> None:
    coded = huffman.encode(b"a-password-of-this-test")
    block = b"\x10\x01k" + bytes((0x80 | len(coded),)) + coded
    assert Decoder().decode(block) == [("k", "a-password-of-this-test")]
    assert coded not in huffman._kept


@pytest.mark.parametrize(
    ("block", "words"),
    [
        pytest.param("80", "index 0", id="index 0"),
        pytest.param("ff80808000", "beyond the table", id="127 in a long form"),
        pytest.param("be", "index 62 is beyond the table, which has 61 entries", id="the first dynamic one of none"),
        pytest.param("82be", "index 62 is beyond", id="the same after another field"),
        pytest.param("7e0161", "index 62 is beyond", id="an inserted literal with such a name"),
        pytest.param("0f2f0161", "index 62 is beyond", id="a plain literal with such a name"),
        pytest.param("1f2f0161", "index 62 is beyond", id="a secret literal with such a name"),
        pytest.param("ffffffffff0f", "beyond the table", id="an index of 2**32"),
        pytest.param("ff", "ends inside an integer", id="an index cut off"),
        pytest.param("ff8080", "ends inside an integer", id="an index cut off later"),
        pytest.param("ffffffffffff7f", "more than 5 octets", id="an integer of six octets"),
        pytest.param("ff8080808080808000", "more than 5 octets", id="an integer of many zeros"),
        pytest.param("ff" + "ff" * 5000, "more than 5 octets", id="an integer of 5000 octets"),
        pytest.param("40", "ends before a string", id="no name"),
        pytest.param("44", "ends before a string", id="no value"),
        pytest.param("400161", "ends before a string", id="a name and no value"),
        pytest.param("40056161", "longer than what is left", id="a name cut off"),
        pytest.param("44056161", "longer than what is left", id="a value cut off"),
        pytest.param("447fffffff7f6161", "longer than what is left", id="a value of 256 MB that is not there"),
        pytest.param("447fffffffffff7f", "more than 5 octets", id="a length of six octets"),
        pytest.param("4481ff", "padding", id="a Huffman string with bad padding"),
        pytest.param("4484ffffffff", "EOS", id="a Huffman string with EOS"),
        pytest.param("8220", "after the first field", id="a size update after a field"),
        pytest.param("202020", "more than 2", id="three size updates"),
        pytest.param("3fe21f", "over the 4096 allowed", id="a size update to 4097"),
        pytest.param("3fffffffff7f", "over the 4096 allowed", id="a size update to 2**34"),
        pytest.param("3f", "ends inside an integer", id="a size update cut off"),
    ],
)
def test_a_block_that_breaks_the_rules_is_an_error_that_says_which(block: str, words: str) -> None:
    with pytest.raises(HpackError, match=words):
        Decoder().decode(bytes.fromhex(block))


def test_an_error_quotes_no_value() -> None:
    block = bytes.fromhex("100870617373776f726406736563726574")
    for end in range(1, len(block)):
        with pytest.raises(HpackError) as caught:
            Decoder().decode(block[:end])
        assert "secret" not in str(caught.value)
        assert "password" not in str(caught.value)


def test_an_index_becomes_invalid_when_its_entry_is_evicted() -> None:
    decoder = Decoder()
    decoder.decode(bytes.fromhex("4001610162"))
    assert decoder.decode(b"\xbe") == [("a", "b")]
    assert decoder.decode(b"\x20") == []
    with pytest.raises(HpackError, match="index 62 is beyond"):
        decoder.decode(b"\xbe")


def test_the_name_of_an_entry_that_its_own_insertion_evicts_is_valid() -> None:
    decoder = Decoder(40)
    assert decoder.decode(bytes.fromhex("4003616263" + "0164")) == [("abc", "d")]
    # RFC 7541 4.4: the name is read before the entry goes
    assert decoder.decode(bytes.fromhex("7e0165")) == [("abc", "e")]
    assert decoder.table.dynamic() == [("abc", "e")]


def test_an_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder(64)
    decoder.decode(bytes.fromhex("4001610162"))
    assert decoder.decode(b"\x40\x01c\x28" + b"d" * 40) == [("c", "d" * 40)]
    assert decoder.table.dynamic() == []
    assert decoder.table.used == 0


def test_the_generation_grows_with_each_change_and_only_then() -> None:
    decoder = Decoder()
    seen = [decoder.generation]

    def grew(block: str) -> bool:
        decoder.decode(bytes.fromhex(block))
        seen.append(decoder.generation)
        return seen[-1] > seen[-2]

    assert not grew("8286")
    assert not grew("040c2f73616d706c652f70617468")
    assert not grew("1001610162")
    assert grew("4001610162")
    assert not grew("be")
    assert grew("20")
    assert grew("3fe11f82")
    assert not grew("82")


# === size updates ===


def update(size: int) -> bytes:
    return encode_integer(size, 5, 0x20)


def test_two_size_updates_in_front_are_obeyed() -> None:
    decoder = Decoder()
    decoder.decode(bytes.fromhex("4001610162"))
    assert decoder.decode(update(0) + update(4096) + b"\x82") == [(":method", "GET")]
    assert decoder.table.dynamic() == []
    assert decoder.table.capacity == 4096


def test_a_smaller_table_has_to_be_announced_by_the_next_block() -> None:
    for block in (b"", b"\x82", update(101), update(4096) + b"\x82"):
        decoder = Decoder()
        decoder.set_max_table_size(100)
        with pytest.raises(HpackError, match=r"required|allowed"):
            decoder.decode(block)
    for size in (0, 50, 100):
        decoder = Decoder()
        decoder.set_max_table_size(100)
        assert decoder.decode(update(size) + b"\x82") == [(":method", "GET")]
        assert decoder.table.capacity == size
        assert decoder.decode(b"\x82") == [(":method", "GET")]


def test_of_several_changes_the_smallest_has_to_be_announced_first() -> None:
    def changed() -> Decoder:
        decoder = Decoder()
        for size in (200, 100, 3000):
            decoder.set_max_table_size(size)
        return decoder

    assert changed().decode(update(100) + update(3000)) == []
    assert changed().decode(update(100)) == []
    with pytest.raises(HpackError, match="3000 octets comes where 100 are required"):
        changed().decode(update(3000))
    with pytest.raises(HpackError, match="over the 3000 allowed"):
        changed().decode(update(100) + update(3001))


def test_a_larger_table_may_be_used_and_need_not() -> None:
    decoder = Decoder()
    decoder.set_max_table_size(10_000)
    assert decoder.decode(b"\x82") == [(":method", "GET")]
    assert decoder.table.capacity == 4096
    decoder.decode(update(10_000))
    assert decoder.table.capacity == 10_000
    decoder.set_max_table_size(4096)
    with pytest.raises(HpackError, match="required"):
        decoder.decode(b"\x82")


def test_a_peer_whose_table_is_small_already_announces_nothing() -> None:
    decoder = Decoder()
    decoder.decode(update(0))
    decoder.set_max_table_size(100)
    assert decoder.decode(b"\x82") == [(":method", "GET")]


# === bombs ===


def test_a_block_over_the_list_size_is_decoded_to_its_end_and_only_its_first_fields_are_kept() -> None:
    decoder = Decoder(max_list_size=100)
    # 32 + 2 each: three are 102
    block = b"\x40\x01a\x01b" + b"\x40\x01c\x01d" + b"\x10\x01e\x01f"
    assert decoder.decode(block) == [("a", "b"), ("c", "d"), ("e", "f")]
    assert decoder.too_large
    assert decoder.sensitive == frozenset()
    assert decoder.table.dynamic() == [("c", "d"), ("a", "b")]
    assert decoder.decode(b"\xbf\xbe") == [("a", "b"), ("c", "d")]
    assert not decoder.too_large


def test_the_list_size_is_inclusive() -> None:
    assert Decoder(max_list_size=68).decode(b"\x00\x01a\x01b\x00\x01c\x01d") == [("a", "b"), ("c", "d")]
    decoder = Decoder(max_list_size=67)
    decoder.decode(b"\x00\x01a\x01b\x00\x01c\x01d")
    assert decoder.too_large


def test_more_fields_than_allowed_are_too_large() -> None:
    fits = Decoder(max_fields=3)
    assert len(fits.decode(b"\x82\x82\x82")) == 3
    assert not fits.too_large
    decoder = Decoder(max_fields=3)
    decoder.decode(b"\x82\x82\x82\x82")
    assert decoder.too_large
    assert len(decoder.decode(b"\x82" * (FIRST_FIELDS + 9))) == FIRST_FIELDS


def test_an_error_after_the_limit_is_still_an_error() -> None:
    with pytest.raises(HpackError):
        Decoder(max_list_size=100).decode(b"\x82" * 10 + b"\x80")


BOMBS: dict[str, Callable[[], bytes]] = {
    # one entry that fills the table, and 100,000 references to it: 400 MB of fields
    "references": lambda: b"\x40\x01a" + encode_integer(4000, 7, 0) + b"b" * 4000 + b"\xbe" * 100_000,
    "static references": lambda: b"\x90" * 100_000,
    "literals": lambda: b"\x00\x00\x00" * 20_000,
    "secrets": lambda: b"\x10\x00\x00" * 20_000,
    "insertions": lambda: b"\x40\x00\x00" * 20_000,
    "insertions that evict all": lambda: (b"\x40\x00" + encode_integer(4064, 7, 0) + b"c" * 4064) * 20,
    "insertions too large": lambda: (b"\x40\x00" + encode_integer(4096, 7, 0) + b"c" * 4096) * 20,
    "a Huffman string": lambda: b"\x00\x01a" + encode_integer(100_000, 7, 0x80) + huffman.encode(b"0" * 160_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_no_more_memory_than_its_block(name: str) -> None:
    block = BOMBS[name]()
    decoder = Decoder()
    tracemalloc.start()
    try:
        assert len(decoder.decode(block)) <= FIRST_FIELDS
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert decoder.too_large
    # a Huffman string needs its parts while it is decoded: a reference of 8 octets for each octet
    assert peak < 100_000 + (16 * len(block) if name == "a Huffman string" else 0)
    assert decoder.table.used <= 4096
    assert decoder.decode(b"\x82") == [(":method", "GET")]


# === against hpack, and against noise ===

names = st.one_of(
    st.sampled_from([":path", ":method", ":status", "cookie", "content-type", "x-a", "x-b", "x-longer-name"]),
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20),
)
values = st.one_of(
    st.sampled_from(["", "/", "GET", "200", "a", "application/grpc", "v" * 100]),
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.text("ab", min_size=200, max_size=900),
)
steps = st.lists(
    st.tuples(
        st.lists(st.tuples(names, values, st.booleans()), max_size=8),
        st.booleans(),
        st.lists(st.sampled_from([0, 31, 64, 100, 300, 1000, 4096, 8192]), max_size=2),
    ),
    min_size=1,
    max_size=8,
)


@given(steps)
@settings(deadline=None, max_examples=150)
def test_what_hpack_encodes_we_decode_with_the_same_table(
    blocks: list[tuple[list[tuple[str, str, bool]], bool, list[int]]],
) -> None:
    theirs, ours = hpack.Encoder(), Decoder(max_list_size=100_000)
    for fields, coded, sizes in blocks:
        # the smaller first: hpack announces what was allowed in between, even where it is no longer
        for size in sorted(sizes):
            if size == theirs.header_table_size:
                # hpack forgets a change before one that changes nothing
                continue
            theirs.header_table_size = size
            ours.set_max_table_size(size)
        block = theirs.encode(
            [
                (hpack.NeverIndexedHeaderTuple if secret else hpack.HeaderTuple)(
                    name.encode("latin-1"), value.encode("latin-1")
                )
                for name, value, secret in fields
            ],
            huffman=coded,
        )
        assert ours.decode(block) == [(name, value) for name, value, _ in fields]
        assert [(name.encode("latin-1"), value.encode("latin-1")) for name, value in ours.table.dynamic()] == [
            (bytes(name), bytes(value)) for name, value in theirs.header_table.dynamic_entries
        ]
        assert ours.sensitive <= {name for name, _, secret in fields if secret}


def noise(chance: random.Random, valid: list[bytes]) -> bytes:
    """Return random octets, or a valid block with some octets changed, cut out or doubled."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(1, 80))
    block = bytearray(b"".join(chance.choices(valid, k=chance.randrange(1, 4))))
    for _ in range(chance.randrange(4)):
        place = chance.randrange(len(block))
        match chance.randrange(4):
            case 0:
                block[place] = chance.randrange(256)
            case 1:
                block[place] ^= 1 << chance.randrange(8)
            case 2:
                del block[place : place + chance.randrange(1, 4)]
            case _:
                block[place:place] = block[place : place + chance.randrange(1, 9)]
        if not block:
            break
    return bytes(block)


def assert_bound(error: HpackError) -> None:
    assert "more than" in str(error)


def test_noise_gives_fields_as_hpack_gives_them_or_an_error() -> None:
    chance = random.Random(7541)
    encoder = hpack.Encoder()
    valid = [bytes.fromhex(text) for texts in BLOCKS.values() for text in texts]
    valid += [encoder.encode([(f"name-{number}", "value" * number)]) for number in range(12)]
    decoded = refused = 0
    ours, theirs = Decoder(max_list_size=65536, max_fields=10_000), hpack.Decoder()
    for _ in range(12_000):
        block = noise(chance, valid)
        expected: list[Field] | None
        try:
            expected = [
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in theirs.decode(block, raw=True)
            ]
        except HPACKError:
            expected = None
        try:
            fields = ours.decode(block)
        except HpackError as error:
            if expected is not None:
                # hpack takes integers and size updates without end
                assert_bound(error)
            refused += 1
        else:
            assert expected == fields, block.hex()
            decoded += 1
            assert ours.table.used <= ours.table.capacity <= 4096
            assert ours.table.used == sum(len(name) + len(value) + 32 for name, value in ours.table.dynamic())
            if decoded % 50:
                continue
        ours, theirs = Decoder(max_list_size=65536, max_fields=10_000), hpack.Decoder()
    assert decoded > 500
    assert refused > 500
