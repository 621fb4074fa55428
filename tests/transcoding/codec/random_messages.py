"""Random messages of any descriptor, and random damage to JSON."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message_factory import GetMessageClass

from tests.transcoding.codec.schema import new

_RANGES = {
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (0.0, -0.0, 1.0, 0.1, -2.5, 1e16, 1e-7, 3.4028234663852886e38, 1.1754944e-38, 16777217.0)
_DOUBLES = (*_FLOATS, 1e300, 5e-324, 123456789.123456789)
_ODD = (math.nan, math.inf, -math.inf)
_TEXTS = ("", "a", "a:b", '"', "\\", "é", "漢字", "😀", "\x00\x1f", "\u2028", "\x7f", "x" * 70, "</script>", "null")
_REGULAR = ("three.Small", "three.Scalars", "two.Inner", "google.protobuf.Any", "google.protobuf.Value")
_PACKED = (*_REGULAR, "google.protobuf.Timestamp", "google.protobuf.Int64Value", "google.protobuf.Empty")


def message(random: Random, descriptor: Descriptor, depth: int = 3) -> Any:
    """Return a message with some of its fields set."""
    made = GetMessageClass(descriptor)()
    fill(random, made, depth)
    return made


def fill(random: Random, made: Any, depth: int) -> None:
    descriptor = made.DESCRIPTOR
    if (special := _SPECIAL.get(descriptor.full_name)) is not None:
        special(random, made, depth)
        return
    share = random.random()
    for field in descriptor.fields:
        required = field.is_required
        if not required and (random.random() > share or (field.message_type is not None and depth <= 0)):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            _fill_map(random, getattr(made, field.name), field.message_type, depth)
        elif field.is_repeated:
            for _ in range(random.randrange(3)):
                if field.message_type is not None:
                    fill(random, getattr(made, field.name).add(), depth - 1)
                else:
                    getattr(made, field.name).append(scalar(random, field))
        elif field.message_type is not None:
            getattr(made, field.name).SetInParent()
            fill(random, getattr(made, field.name), depth - 1)
        else:
            setattr(made, field.name, scalar(random, field))


def _fill_map(random: Random, target: Any, entry: Descriptor, depth: int) -> None:
    value = entry.fields_by_name["value"]
    for _ in range(random.randrange(3)):
        key = scalar(random, entry.fields_by_name["key"])
        if value.message_type is not None:
            fill(random, target[key], depth - 1)
        else:
            target[key] = scalar(random, value)


def scalar(random: Random, field: Field) -> Any:
    kind = field.cpp_type
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return random.choice((low, high, 0, 1, random.randint(low, high)))
    if kind == Field.CPPTYPE_FLOAT:
        return random.choice((*_FLOATS, *_ODD, random.uniform(-1e6, 1e6)))
    if kind == Field.CPPTYPE_DOUBLE:
        return random.choice((*_DOUBLES, *_ODD, random.uniform(-1e6, 1e6)))
    if kind == Field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if field.type == Field.TYPE_BYTES:
        return random.randbytes(random.randrange(5))
    if field.enum_type is not None:
        return enum(random, field.enum_type)
    return random.choice(_TEXTS)


def enum(random: Random, descriptor: EnumDescriptor) -> int:
    known = [value.number for value in descriptor.values]
    return random.choice(known if descriptor.is_closed else [*known, 77, -5])


def _timestamp(random: Random, made: Any, _depth: int) -> None:
    made.seconds = random.choice((0, -1, -62135596800, 253402300799, random.randint(-(10**10), 10**10)))
    made.nanos = _nanos(random)


def _duration(random: Random, made: Any, _depth: int) -> None:
    sign = random.choice((-1, 1))
    made.seconds = sign * random.choice((0, 1, 315576000000, random.randrange(10**6)))
    made.nanos = sign * _nanos(random)


def _nanos(random: Random) -> int:
    return random.choice((0, 500_000_000, 123_456_000, 1, 999_999_999, 10_000_000))


def _mask(random: Random, made: Any, _depth: int) -> None:
    made.paths.extend(random.sample(("a", "foo_bar", "a.b_c.d", "x"), random.randrange(4)))


def _value(random: Random, made: Any, depth: int) -> None:
    made.null_value = 0
    kind = random.randrange(4 if depth <= 0 else 6)
    if kind == 0:
        made.number_value = random.choice(_DOUBLES)
    elif kind == 1:
        made.string_value = random.choice(_TEXTS)
    elif kind == 2:
        made.bool_value = random.random() < 0.5
    elif kind == 4:
        made.struct_value.SetInParent()
        fill(random, made.struct_value, depth - 1)
    elif kind == 5:
        made.list_value.SetInParent()
        fill(random, made.list_value, depth - 1)


def _struct(random: Random, made: Any, depth: int) -> None:
    for key in random.sample(("fields", "a:", "values", "😀", ""), random.randrange(4)):
        fill(random, made.fields[key], depth - 1)


def _list(random: Random, made: Any, depth: int) -> None:
    for _ in range(random.randrange(3)):
        fill(random, made.values.add(), depth - 1)


def _any(random: Random, made: Any, depth: int) -> None:
    if depth > 0 and random.random() < 0.9:
        inner = new(random.choice(_PACKED))
        fill(random, inner, depth - 1)
        made.Pack(inner, type_url_prefix=random.choice(("type.googleapis.com/", "example.com/x/")), deterministic=True)


_SPECIAL = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _mask,
    "google.protobuf.Value": _value,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Any": _any,
}

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 1.0, 1.5, -0.0, 1e3, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, 1e30, 3.5e38),
    *("", "a", "1", "-1", "1.0", "1.5", "1e3", "1_0", " 1", "1 ", "\t1", "+1", "0x1", "true", "false", "nan", "NaN"),
    *("inf", "Infinity", "-Infinity", "1e400", "9" * 40, "18446744073709551615", "-9223372036854775808", "٣"),
    *("COLOR_RED", "RED", "color_red", "NONE", "SOME", "NULL_VALUE", "YQ==", "YQ", "YQ=", "Y", "-_-_", "+/+/", "Y Q"),
    *("1s", "1.5s", "-1.5s", "-0.5s", "1", "1.1234567891s", "s", "315576000001s", ".5s", "1_0s", "1.s"),
    *("2024-01-31T12:00:00Z", "2024-01-31T12:00:00.1234567891Z", "2024-01-31t12:00:00Z", "2024-01-31T24:00:00Z"),
    *("2024-01-31T12:00:00+01:00", "2024-01-31T12:00:00-0100", "2024-02-30T00:00:00Z", "2024-1-3T1:2:3Z"),
    *("0000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "2024-W05-3T12:00:00Z", "2024-01-31T12:00:60Z"),
    *("a,b", "fooBar,a.bC", "foo_bar", "A", ",", "é"),
    *([], [None], [1], ["a"], [[]], [{}], {}, {"a": 1}, {"1": "a", "01": "b"}, {"true": 1}, {"@type": 1}),
    {"@type": "type.googleapis.com/three.Small", "theme": "x"},
    {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s", "more": 1},
    {"@type": "type.googleapis.com/google.protobuf.Duration"},
    {"@type": "x/none.Such"},
    {"@type": "x/two.Inner"},
    {"[two.number_ext]": 5, "[two.Holder.held]": {"name": "x"}},
)

_FIELDS = ("pageCount", "page_count", "theme", "aText", "a_number", "x", "maybe", "@type", "value", "[two.number_ext]")
KEYS = (
    *_FIELDS,
    "[two.inner_ext]",
    "[two.Holder.held]",
    "[no.such]",
    "other-name",
    "custom",
    "taken",
    "hidden",
    "",
    "id",
)


def damage(random: Random, tree: Any) -> Any:
    """Return the tree with something changed somewhere."""
    if isinstance(tree, dict) and tree and random.random() < 0.75:
        key = random.choice(list(tree))
        kind = random.random()
        if kind < 0.7:
            return {**tree, key: damage(random, tree[key])}
        if kind < 0.85:
            return {**tree, random.choice(KEYS): random.choice(JUNK)}
        return {(random.choice(KEYS) if name == key else name): value for name, value in tree.items()}
    if isinstance(tree, list) and tree and random.random() < 0.75:
        index = random.randrange(len(tree))
        return [*tree[:index], damage(random, tree[index]), *tree[index + 1 :]]
    if isinstance(tree, dict) and random.random() < 0.3:
        return {**tree, random.choice(KEYS): random.choice(JUNK)}
    return random.choice(JUNK)
