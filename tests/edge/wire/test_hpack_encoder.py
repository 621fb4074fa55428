from __future__ import annotations

from collections.abc import Sequence

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.wire import hpack_encoder, hpack_literals
from edge.wire.hpack_decoder import Decoder
from edge.wire.hpack_encoder import NONE, Encoder, Field, literal
from edge.wire.hpack_literals import encode_integer
from edge.wire.hpack_table import STATIC_FIELDS

REQUEST = (
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/bookstore.v1.BookstoreService/GetShelf"),
    (":authority", "bookstore.example.com"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "grpc-python/1.80"),
)

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


class Pair:
    """An encoder of ours with two decoders that follow it: ours and hpack's."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.ours = Decoder(max_list_size=1 << 20, max_fields=1000)
        self.theirs = hpack.Decoder(max_header_list_size=1 << 20)

    def send(self, fields: Sequence[Field], sensitive: frozenset[str] = NONE) -> bytes:
        return self.check(self.encoder.encode(fields, sensitive), fields, sensitive)

    def kept(self, fields: tuple[Field, ...], sensitive: frozenset[str] = NONE) -> bytes:
        return self.check(self.encoder.encode_kept(fields, sensitive), fields, sensitive)

    def resize(self, size: int) -> None:
        self.encoder.set_max_table_size(size)
        self.ours.set_max_table_size(size)
        self.theirs.max_allowed_table_size = size

    def check(self, block: bytes, fields: Sequence[Field], sensitive: frozenset[str] = NONE) -> bytes:
        assert self.ours.decode(block) == list(fields)
        assert sensitive.intersection(name for name, _ in fields) <= self.ours.sensitive
        headers = list(self.theirs.decode(block, raw=True))
        octets = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        assert [(bytes(name), bytes(value)) for name, value in headers] == octets
        assert self.ours.sensitive == {
            bytes(header[0]).decode("latin-1")
            for header in headers
            if isinstance(header, hpack.NeverIndexedHeaderTuple)
        }
        table = self.encoder.table
        assert table.dynamic() == self.ours.table.dynamic()
        assert table.used == self.ours.table.used <= table.capacity == self.ours.table.capacity
        assert len(table.pairs) == len(table.dynamic())
        assert set(table.names) == {name for name, _ in table.dynamic()}
        return block


# === the pieces ===


@pytest.mark.parametrize(
    ("value", "bits", "flags", "octets"),
    [
        pytest.param(10, 5, 0, "0a", id="C.1.1"),
        pytest.param(1337, 5, 0, "1f9a0a", id="C.1.2"),
        pytest.param(42, 8, 0, "2a", id="C.1.3"),
        (30, 5, 0x20, "3e"),
        (31, 5, 0x20, "3f00"),
        (4096, 5, 0x20, "3fe11f"),
        (126, 7, 0x80, "fe"),
        (127, 7, 0x80, "ff00"),
        (254, 7, 0x80, "ff7f"),
        (255, 7, 0x80, "ff8001"),
    ],
)
def test_integers(value: int, bits: int, flags: int, octets: str) -> None:
    assert encode_integer(value, bits, flags).hex() == octets


@given(st.integers(0, 1 << 34), st.integers(1, 8))
@settings(deadline=None)
def test_an_integer_is_as_hpack_encodes_it(value: int, bits: int) -> None:
    assert encode_integer(value, bits, 0) == bytes(hpack.hpack.encode_integer(value, bits))


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 511, 512, 513, 70_000])
def test_strings_of_any_length(length: int) -> None:
    pair = Pair()
    value = "~" * length
    assert pair.send([("x-value", value)]).endswith(value.encode())
    pair.check(literal("x-value", value), [("x-value", value)])
    pair.send([("x" * (length + 1), "value")])


def test_literal_needs_no_table_and_changes_none() -> None:
    pair = Pair()
    assert literal(":path", "/sample/path").hex() == "040c2f73616d706c652f70617468"  # RFC 7541 C.2.2
    field = ("custom-key", "custom-value")
    before = pair.encoder.generation
    for _ in range(3):
        block = pair.check(literal(*field), [field])
        assert block[0] == 0
    assert pair.encoder.generation == before
    assert pair.ours.generation == 0


def test_literals_stand_among_the_fields_of_an_encoder() -> None:
    pair = Pair()
    for number in range(5):
        path = (":path", f"/path/{number}")
        fields = [*REQUEST[:2], path, *REQUEST[3:]]
        block = pair.encoder.encode(REQUEST[:2]) + literal(*path) + pair.encoder.encode(REQUEST[3:])
        pair.check(block, fields)


def test_a_literal_of_a_credential_is_never_indexed() -> None:
    decoder = Decoder()
    for name in ("authorization", "x-api-key"):
        decoder.decode(literal(name, "a secret"))
        assert decoder.sensitive == {name}


def test_names_that_are_remembered_are_bounded() -> None:
    decoder = Decoder()
    for number in range(2 * hpack_literals._KEPT_NAMES):
        assert decoder.decode(literal(f"name-{number}", "v")) == [(f"name-{number}", "v")]
        Encoder().encode([(f"other-{number}", "v")])
    assert len(hpack_literals._literal_names) <= hpack_literals._KEPT_NAMES
    assert len(hpack_literals._names) <= hpack_literals._KEPT_NAMES


# === what is indexed ===


def test_a_field_of_the_static_table_is_one_octet() -> None:
    pair = Pair()
    secret = {"authorization", "proxy-authorization", "set-cookie", "cookie"}
    for index, field in enumerate(STATIC_FIELDS, 1):
        if field[0] not in secret:
            assert pair.send([field]) == bytes((0x80 | index,))
    assert pair.encoder.generation == 0


def test_a_request_that_repeats_becomes_one_octet_a_field() -> None:
    pair = Pair()
    blocks = [pair.send(REQUEST) for _ in range(4)]
    assert len(blocks[0]) > len(blocks[1]) > len(REQUEST)
    assert len(blocks[2]) == len(blocks[3]) == len(REQUEST)


def test_a_pair_is_inserted_the_second_time() -> None:
    pair = Pair()
    field = ("user-agent", "a browser")
    assert pair.send([field]).endswith(b"a browser")
    assert pair.encoder.table.dynamic() == []
    pair.send([field])
    assert pair.encoder.table.dynamic() == [field]
    assert pair.send([field]) == b"\xbe"


def test_values_that_differ_in_every_call_do_not_churn_the_table() -> None:
    pair = Pair()
    for _ in range(3):
        pair.send(REQUEST)
    # the second of them gets the name its index
    for number in range(2):
        pair.send([*REQUEST, ("x-data", f"{number:055d}")])
    generation = pair.encoder.generation
    for number in range(2, 500):
        path = (":path", f"/things/{number}")
        data = ("x-data", f"{number:055d}")
        block = pair.send([*REQUEST[:2], path, *REQUEST[3:], data])
        assert len(block) == 6 + (2 + len(path[1])) + (3 + 55)
    assert pair.encoder.generation == generation


def test_names_that_differ_in_every_call_do_not_churn_the_table() -> None:
    pair = Pair()
    for number in range(300):
        pair.send([(f"x-{number}", f"value {number}")])
    assert pair.encoder.generation == 0


@pytest.mark.parametrize("name", ["content-length", "grpc-timeout"])
def test_values_of_a_small_range_are_not_inserted(name: str) -> None:
    pair = Pair()
    for _ in range(5):
        pair.send([(name, "12")])
    assert pair.encoder.generation == 0


def test_what_would_push_out_half_of_the_table_is_not_inserted() -> None:
    pair = Pair()
    for _ in range(5):
        pair.send([("x-large", "v" * 2048)])
    assert pair.encoder.generation == 0
    for _ in range(3):
        pair.send([("x-large", "v" * 2000)])
    assert pair.encoder.generation == 1


def test_what_is_remembered_of_pairs_is_bounded() -> None:
    pair = Pair()
    for number in range(1000):
        pair.send([(":path", f"/{number}")])
        assert len(pair.encoder._newer) + len(pair.encoder._older) <= 2 * hpack_encoder._SEEN


def test_a_full_table_gives_up_the_oldest() -> None:
    pair = Pair()
    for number in range(200):
        for _ in range(3):
            pair.send([("x-number", str(number)), (f"name-{number % 7}", "v" * (number % 40))])
    assert 4096 - 100 < pair.encoder.table.used <= 4096


def test_a_table_of_the_smallest_entries_has_indices_of_two_octets() -> None:
    pair = Pair()
    fields = [(chr(33 + number), "") for number in range(90)]
    for start in range(0, 90, 30):
        for _ in range(3):
            pair.send(fields[start : start + 30])
    assert len(pair.encoder.table.dynamic()) == 90
    assert pair.send([fields[0]]) == encode_integer(61 + 90, 7, 0x80)
    assert pair.send([(fields[0][0], "another")], frozenset({fields[0][0]}))[0] == 0x1F


# === credentials ===


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "set-cookie", "x-api-key", "api-key", "x-auth-token", "cookie"]
)
def test_a_credential_is_never_indexed(name: str) -> None:
    pair = Pair()
    value = "0123456789abcdef"
    for _ in range(4):
        block = pair.send([(name, value)])
        assert block[0] & 0xF0 == 0x10
        assert block.endswith(value.encode())
        assert pair.ours.sensitive == {name}
    assert pair.encoder.generation == 0


def test_a_long_cookie_may_be_indexed() -> None:
    pair = Pair()
    for _ in range(3):
        pair.send([("cookie", "c" * 20)])
    assert pair.encoder.table.dynamic() == [("cookie", "c" * 20)]


def test_what_is_marked_is_never_indexed_even_when_it_is_in_a_table() -> None:
    pair = Pair()
    field = ("x-user", "somebody")
    for _ in range(3):
        pair.send([field])
    assert pair.encoder.table.dynamic() == [field]
    for block in (pair.send([field], frozenset({"x-user"})), pair.kept((field,), frozenset({"x-user"}))):
        assert block[0] & 0xF0 == 0x10
        assert block.endswith(b"somebody")
        assert pair.ours.sensitive == {"x-user"}
    pair.send([(":method", "GET")], frozenset({":method"}))
    assert pair.ours.sensitive == {":method"}
    assert pair.send([field]) == b"\xbe"


def test_what_came_never_indexed_leaves_never_indexed() -> None:
    first = hpack.Encoder()
    hop, last = Decoder(), Decoder()
    encoder = Encoder()
    for _ in range(3):
        fields = hop.decode(first.encode([("x-a", "1"), hpack.NeverIndexedHeaderTuple("x-secret", "value")]))
        assert last.decode(encoder.encode(fields, hop.sensitive)) == fields
        assert last.sensitive == {"x-secret"}


# === the size of the table ===


def test_size_updates_announce_the_smallest_and_the_last() -> None:
    pair = Pair()
    for _ in range(3):
        pair.send(REQUEST)
    for size in (1000, 0, 50, 300):
        pair.resize(size)
    assert pair.encoder.table.dynamic() == []
    block = pair.send([(":method", "GET")])
    assert block == b"\x20" + encode_integer(300, 5, 0x20) + b"\x82"
    assert pair.send([(":method", "GET")]) == b"\x82"


def test_a_smaller_table_is_announced_by_the_next_block_even_an_empty_one() -> None:
    pair = Pair()
    pair.resize(100)
    assert pair.send([]) == encode_integer(100, 5, 0x20)
    assert pair.send([]) == b""


def test_a_size_that_came_and_went_is_announced() -> None:
    pair = Pair()
    for _ in range(3):
        pair.send(REQUEST)
    pair.resize(0)
    pair.resize(4096)
    assert pair.send([]) == b"\x20\x3f\xe1\x1f"
    assert pair.encoder.table.dynamic() == []


def test_more_than_4096_octets_are_not_used() -> None:
    pair = Pair()
    pair.resize(65536)
    assert pair.send([(":method", "GET")]) == b"\x82"
    pair.resize(1024)
    pair.send([])
    pair.resize(1 << 32)
    assert pair.send([]) == b"\x3f\xe1\x1f"


def test_without_a_table_nothing_is_inserted() -> None:
    pair = Pair()
    pair.resize(0)
    for _ in range(4):
        pair.send([*REQUEST, ("", "")])
    assert pair.encoder.table.dynamic() == []


# === encode_kept ===


def test_a_block_is_kept_once_it_does_not_change_any_more() -> None:
    pair = Pair()
    blocks = [pair.kept(REQUEST) for _ in range(5)]
    assert len(blocks[2]) == len(REQUEST)
    assert blocks[2] is blocks[3] is blocks[4]
    assert pair.kept(REQUEST[:2] + REQUEST[2:]) == blocks[2]


def test_a_kept_block_stays_right_after_other_insertions() -> None:
    pair = Pair()
    for _ in range(3):
        first = pair.kept(REQUEST)
    for _ in range(2):
        pair.send([("x-other", "value")])
    second = pair.kept(REQUEST)
    assert second != first
    assert pair.kept(REQUEST) is second


def test_a_kept_block_stays_right_when_the_table_shrinks() -> None:
    pair = Pair()
    for _ in range(3):
        pair.kept(REQUEST)
    pair.resize(60)
    assert pair.kept(REQUEST).startswith(encode_integer(60, 5, 0x20))
    for _ in range(4):
        assert not pair.kept(REQUEST).startswith(encode_integer(60, 5, 0x20))


def test_a_block_is_kept_for_the_names_it_was_marked_with() -> None:
    pair = Pair()
    fields = (("content-type", "text/plain"),)
    for _ in range(3):
        pair.kept(fields)
    marked = pair.kept(fields, frozenset({"content-type"}))
    assert marked[0] & 0xF0 == 0x10
    assert pair.kept(fields, frozenset({"content-type"})) is marked
    assert pair.kept(fields) == b"\xbe"


def test_a_kept_block_belongs_to_the_tuple_and_not_to_its_identity_alone() -> None:
    pair = Pair()
    for number in range(2000):
        # the tuple of before is free to be made anew at the same place, unless it is held
        pair.kept((("content-length", str(number)),))


def test_what_is_kept_is_bounded() -> None:
    pair = Pair()
    held = [((":method", "GET"), ("content-length", str(number))) for number in range(600)]
    for fields in held:
        pair.kept(fields)
        assert len(pair.encoder._kept) <= hpack_encoder._KEPT_BLOCKS
    assert pair.kept(held[-1]) is pair.kept(held[-1])


# === what cannot be sent ===


@pytest.mark.parametrize("bad", [("x-name", "cost: 5 €"), ("x-€", "value"), ("authorization", "\ud800")])
def test_a_field_outside_latin_1_is_refused_by_name_and_leaves_both_ends_in_step(bad: Field) -> None:
    pair = Pair()
    for _ in range(2):
        pair.send(REQUEST)
    with pytest.raises(ValueError, match=r"header '(x-|authorization).* outside latin-1") as caught:
        # the first of these is inserted, and never reaches the decoders
        pair.encoder.encode([("x-name", "a"), ("x-name", "a"), ("x-name", "a"), bad])
    assert "cost" not in str(caught.value)
    assert caught.value.__cause__ is None
    for _ in range(3):
        pair.send(REQUEST)
    assert len(pair.send(REQUEST)) == len(REQUEST)


def test_literal_refuses_what_is_outside_latin_1() -> None:
    for name, value in (("x-name", "€"), ("€", "value")):
        with pytest.raises(ValueError, match="outside latin-1"):
            literal(name, value)


# === properties ===

names = st.one_of(
    st.sampled_from([":path", ":method", "cookie", "authorization", "content-type", "x-a", "x-b", "content-length"]),
    st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=20),
)
values = st.one_of(
    st.sampled_from(["", "/", "GET", "a", "application/grpc", "v" * 100, "w" * 1500]),
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.text(PRINTABLE, min_size=50, max_size=60),
)
fields_of_calls = st.lists(st.tuples(names, values), max_size=8)
marks = st.frozensets(st.sampled_from(["x-a", ":path", "content-type", ":method"]), max_size=2)
steps = st.one_of(
    st.tuples(st.just("send"), fields_of_calls, marks),
    st.tuples(st.just("again"), st.integers(0, 20), marks),
    st.tuples(st.just("kept"), st.integers(0, 20), marks),
    st.tuples(st.just("resize"), st.sampled_from([0, 31, 64, 100, 300, 1000, 4096, 65536]), st.just(NONE)),
)


@given(st.lists(steps, min_size=1, max_size=25))
@settings(deadline=None, max_examples=200)
def test_both_decoders_follow_whatever_is_sent(
    steps_of_run: list[tuple[str, list[Field] | int, frozenset[str]]],
) -> None:
    pair = Pair()
    sent: list[tuple[Field, ...]] = [REQUEST]
    for kind, what, sensitive in steps_of_run:
        if isinstance(what, list):
            sent.append(tuple(what))
            pair.send(what, sensitive)
        elif kind == "resize":
            pair.resize(what)
        elif kind == "again":
            pair.send(sent[what % len(sent)], sensitive)
        else:
            fields = sent[what % len(sent)]
            for _ in range(3):
                pair.kept(fields, sensitive)
