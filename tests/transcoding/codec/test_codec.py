"""The codec from outside: options, single fields, pools."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from google.protobuf import json_format

from edge.model.errors import InvalidRequest
from tests.transcoding.codec.schema import MESSAGES, descriptor, new, pool
from transcoding.codec import Codec, CodecOptions, Unprintable

CODEC = Codec(pool())


def parse(name: str, tree: Any, **options: Any) -> Any:
    return Codec(pool(), CodecOptions(**options)).parse(descriptor(name), json.dumps(tree).encode())


def printed(message: Any, **options: Any) -> Any:
    return json.loads(Codec(pool(), CodecOptions(**options)).print(message))


def test_json_is_compact_and_in_utf_8() -> None:
    assert CODEC.print(new("three.Small", page_count=1, theme="é")) == '{"pageCount":1,"theme":"é"}'.encode()


def test_names_of_either_kind_are_read_and_one_kind_is_written() -> None:
    tree = {"plainName": "a", "other-name": "b", "taken": "c", "HTTPStatus": "d", "self": "e", "class": "f"}
    message = parse("three.Names", tree)
    by_proto = {"plain_name": "a", "custom": "b", "hidden": "c", "HTTPStatus": "d", "self": "e", "class": "f"}
    assert parse("three.Names", by_proto) == message
    assert printed(message) == tree
    assert printed(message, proto_field_names=True) == by_proto


def test_of_a_field_by_both_names_the_last_counts() -> None:
    assert parse("three.Names", {"plain_name": "a", "plainName": "b"}).plain_name == "b"
    assert parse("three.Names", {"plain_name": "a", "plainName": None}).plain_name == ""


def test_null_is_absence_but_for_what_holds_null() -> None:
    tree = {"pageCount": None, "theme": None, "child": None, "books": None, "byName": None, "at": None, "color": None}
    assert parse("three.Small", tree) == new("three.Small")
    assert parse("three.Choices", {"aValue": None}).WhichOneof("kind") == "a_value"
    assert parse("three.Choices", {"aNull": None}).WhichOneof("kind") == "a_null"
    assert parse("three.Choices", {"aText": "x", "aNumber": None}).a_text == "x"


def test_defaults_are_printed_when_asked_for() -> None:
    tree = printed(new("three.Small"), print_defaults=True)
    assert tree["pageCount"] == 0
    assert tree["big"] == "0"
    assert tree["color"] == "COLOR_UNSPECIFIED"
    assert tree["books"] == []
    assert tree["byName"] == {}
    assert not {"child", "at"} & tree.keys()
    assert printed(new("three.Optionals"), print_defaults=True) == {}


def test_enums_are_printed_as_names_or_numbers() -> None:
    message = new("three.Small", color=2)
    assert printed(message) == {"color": "COLOR_DARK_RED"}
    assert printed(message, enums_as_numbers=True) == {"color": 2}
    assert printed(new("three.Small", color=77)) == {"color": 77}


@pytest.mark.parametrize(
    ("number", "short", "full"),
    [
        (1, "RED", "COLOR_RED"),
        (2, "DARK_RED", "COLOR_DARK_RED"),
        (3, "COLOR_3D", "COLOR_3D"),
        (4, "BLUE", "BLUE"),
        (-1, "MINUS", "COLOR_MINUS"),
    ],
)
def test_the_prefix_of_enums_can_be_left_out(number: int, short: str, full: str) -> None:
    assert printed(new("three.Small", color=number), strip_enum_prefix=True) == {"color": short}
    for name in (short, full, number, str(number)):
        assert parse("three.Small", {"color": name}, strip_enum_prefix=True).color == number


def test_the_short_names_of_enums_are_read_only_when_asked_for() -> None:
    with pytest.raises(InvalidRequest, match=r"did you mean `COLOR_RED`|known are"):
        parse("three.Small", {"color": "RED"})


def test_unknown_fields_are_ignored_when_asked_for() -> None:
    tree = {"theme": "x", "colour": 1, "color": "NO_SUCH", "books": [{"y": 1}, {"color": "NO"}]}
    message = parse("three.Small", tree, unknown_fields="ignore")
    assert printed(message) == {"theme": "x", "books": [{}, {}]}


def test_extensions_are_read_and_written_by_their_full_names() -> None:
    tree = {"[two.number_ext]": 5, "[two.inner_ext]": {"id": 1}, "[two.list_ext]": ["a"]}
    tree["[two.Holder.held]"] = {"name": "x"}
    message = parse("two.Old", tree)
    assert printed(message) == tree
    assert parse("two.Old", {**tree, "[two.list_ext]": None}).ByteSize() < message.ByteSize()


def test_groups_of_proto2_are_messages() -> None:
    tree = {"pair": {"left": "a"}, "pairs": [{"left": "b"}]}
    assert printed(parse("two.Old", tree)) == tree


def test_numbers_are_read_as_json_format_reads_them() -> None:
    tree = {"fInt32": "1e3", "fInt64": 5.0, "fUint64": "18446744073709551615", "fDouble": "-Infinity", "fFloat": "1.5"}
    message = parse("three.Scalars", tree)
    assert (message.f_int32, message.f_int64, message.f_uint64) == (1000, 5, 2**64 - 1)
    assert printed(message)["fDouble"] == "-Infinity"
    assert printed(parse("three.Scalars", {"fFloat": 0.1, "fDouble": -0.0})) == {"fFloat": 0.1, "fDouble": -0.0}


@pytest.mark.parametrize("text", ["+/+/", "-_-_", "-/+_"])
def test_both_alphabets_of_base64_are_read(text: str) -> None:
    assert printed(parse("three.Small", {"data": text}))["data"] == text.translate(str.maketrans("-_", "+/"))


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YQ=="])
def test_padding_of_base64_is_optional(text: str) -> None:
    assert parse("three.Small", {"data": text}).data == b"a"


@pytest.mark.parametrize(
    ("field", "tree", "set_one"),
    [
        ("f_timestamp", None, "2024-01-31T12:00:00Z"),
        ("f_duration", None, "-1.500s"),
        ("f_fieldmask", None, "a,b.cD"),
        ("f_struct", {}, {"a": [1.0, None]}),
        ("f_value", None, "x"),
        ("f_listvalue", [], [True]),
        ("f_any", {}, {"@type": "x/three.Small", "theme": "x"}),
        ("f_empty", {}, {}),
        ("f_nullvalue", None, None),
        ("f_int64value", None, "5"),
        ("f_bytesvalue", None, "YQ=="),
        ("f_small", {}, {"theme": "x"}),
    ],
)
def test_a_field_alone_is_written_set_or_not(field: str, tree: Any, set_one: Any) -> None:
    message = new("three.WellKnown")
    found = message.DESCRIPTOR.fields_by_name[field]
    assert json.loads(CODEC.print_field(message, found)) == tree
    CODEC.merge_field(message, found, set_one)
    assert json.loads(CODEC.print_field(message, found)) == set_one


@pytest.mark.parametrize(
    ("name", "field", "tree"),
    [
        ("three.Small", "books", []),
        ("three.Small", "by_name", {}),
        ("three.Small", "page_count", 0),
        ("three.Small", "big", "0"),
        ("three.Small", "color", "COLOR_UNSPECIFIED"),
        ("three.Small", "theme", ""),
        ("three.Optionals", "f_bool", False),
        ("two.Old", "preset", 7),
    ],
)
def test_the_default_of_a_field_is_written_alone(name: str, field: str, tree: Any) -> None:
    message = new(name)
    assert json.loads(CODEC.print_field(message, message.DESCRIPTOR.fields_by_name[field])) == tree


def test_an_extension_alone_is_read_and_written() -> None:
    message = new("two.Old")
    field = pool().FindExtensionByName("two.inner_ext")
    assert CODEC.print_field(message, field) == b"{}"
    CODEC.merge_field(message, field, {"id": 5})
    assert CODEC.print_field(message, field) == b'{"id":5}'
    with pytest.raises(InvalidRequest) as caught:
        CODEC.merge_field(message, field, {"id": "x"}, path="old")
    assert caught.value.violations[0].field == "old.[two.inner_ext].id"


def test_a_field_merges_into_what_is_there() -> None:
    message = new("three.Small", page_count=1, child=new("three.Small", theme="old", page_count=2))
    fields = message.DESCRIPTOR.fields_by_name
    CODEC.merge_field(message, fields["child"], {"theme": "new"})
    assert (message.child.theme, message.child.page_count, message.page_count) == ("new", 2, 1)
    CODEC.merge_field(message, fields["page_count"], 0)
    assert message.page_count == 0
    CODEC.merge_field(message, fields["child"], None)
    assert not message.HasField("child")
    with pytest.raises(InvalidRequest) as caught:
        CODEC.merge_field(message, fields["books"], [{"theme": 1}], path="shelf")
    assert caught.value.violations[0].field == "shelf.books[0].theme"


@pytest.mark.parametrize(
    ("path", "spoil"),
    [
        ("f_timestamp", lambda message: setattr(message.f_timestamp, "seconds", 2**60)),
        ("f_duration", lambda message: setattr(message.f_duration, "seconds", 2**60)),
        ("f_value", lambda message: setattr(message.f_value, "number_value", float("nan"))),
        ("f_any", lambda message: setattr(message.f_any, "type_url", "x/no.Such")),
        ("f_fieldmask", lambda message: message.f_fieldmask.paths.append("Upper")),
        ('f_small.by_name["k"].at', lambda message: setattr(message.f_small.by_name["k"].at, "nanos", -1)),
        ("f_small.books[1].at", lambda message: [message.f_small.books.add() for _ in "ab"][1].at.FromSeconds(0)),
    ],
)
def test_what_has_no_json_is_unprintable_with_its_path(path: str, spoil: Any) -> None:
    message = new("three.WellKnown")
    spoil(message)
    if "books" in path:
        message.f_small.books[1].at.nanos = -1
    for write in (CODEC.print, CODEC.tree):
        with pytest.raises(Unprintable) as caught:
            write(message)
        assert f"its field `{path}` is wrong" in caught.value.message
        assert caught.value.code.name == "INTERNAL"


def test_a_wrong_field_alone_is_unprintable() -> None:
    message = new("three.WellKnown")
    message.f_any.type_url = "x/no.Such"
    with pytest.raises(Unprintable, match="no message that the schema has"):
        CODEC.print_field(message, message.DESCRIPTOR.fields_by_name["f_any"])


def test_messages_deeper_than_orjson_writes_are_written() -> None:
    message = new("google.protobuf.ListValue")
    inner = message
    for _ in range(300):
        inner = inner.values.add().list_value
    inner.SetInParent()
    assert CODEC.print(message) == b"[" * 301 + b"]" * 301


def test_messages_deeper_than_the_stack_are_unprintable() -> None:
    data = b""
    for _ in range(3000):
        packed = new("google.protobuf.Any", type_url="x/google.protobuf.Any", value=data)
        data = packed.SerializeToString()
    with pytest.raises(Unprintable, match="nested too deeply"):
        CODEC.print(packed)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_warm_codec_makes_nothing_more(name: str) -> None:
    codec = Codec(pool())
    codec.warm(descriptor(name))
    before = {kind: list(plan) for kind, plan in codec._writers._plans.items()}
    assert descriptor(name) in codec._readers._ready
    codec.parse(descriptor(name), b"{}")
    codec.print(new(name))
    assert {kind: list(plan) for kind, plan in codec._writers._plans.items()} == before


def test_what_callers_send_does_not_make_the_codec_grow() -> None:
    codec = Codec(pool())
    codec.warm(descriptor("three.WellKnown"))

    def size() -> int:
        tables, readers = codec._tables, codec._readers
        return len(tables._names) + len(tables._enums) + len(readers._ready) + len(readers._makers)

    codec.parse(descriptor("three.WellKnown"), b"{}")
    with pytest.raises(InvalidRequest):
        codec.parse(descriptor("three.WellKnown"), b'{"x":1}')
    before = size()
    for number in range(100):
        tree = {f"x{number}": 1, "fAny": {"@type": f"x/no.Such{number}"}}
        with pytest.raises(InvalidRequest):
            codec.parse(descriptor("three.WellKnown"), json.dumps(tree).encode())
    assert size() == before


def test_threads_may_share_a_codec() -> None:
    codec = Codec(pool())
    message = new("three.Small", theme="x", page_count=5)
    message.books.add(theme="y").child.by_name["k"].color = 1
    text = json_format.MessageToJson(message)
    start, wrong = threading.Barrier(8), []

    def work() -> None:
        start.wait()
        for _ in range(20):
            if codec.parse(descriptor("three.Small"), text.encode()) != message:
                wrong.append("read")
            if json.loads(codec.print(message)) != json.loads(text):
                wrong.append("written")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_usual_json_is_read_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcoding.codec.codec.Walk", None)
    tree: dict[str, Any] = {
        "pageCount": 1,
        "d": 1.5,
        "f": 2,
        "color": "COLOR_RED",
        "theme": None,
        "child": {"page_count": "7", "color": 77, "d": 3},
        "books": [{"data": "YQ=="}, {"big": "5"}],
        "byName": {"a": {"at": "2024-01-31T12:00:00.5Z"}},
        "ok": True,
    }
    message = parse("three.Small", tree)
    assert (message.child.page_count, message.books[1].big, message.by_name["a"].at.nanos) == (7, 5, 500_000_000)
    assert parse("three.Small", {**tree, "colour": 1}, unknown_fields="ignore") == message
    known = {"fAny": {"@type": "x/three.Small", **tree}, "fStruct": tree, "fValue": None, "fInt64value": "5"}
    assert parse("three.WellKnown", known).f_int64value.value == 5
    CODEC.merge_field(new("three.Small"), descriptor("three.Small").fields_by_name["books"], [tree])
