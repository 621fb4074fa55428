"""The codec against google.protobuf.json_format: random messages, random options, random damage."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from tests.transcoding.codec import random_messages
from tests.transcoding.codec.schema import MESSAGES, descriptor, new, pool
from transcoding.codec import Codec, CodecOptions, Unprintable

CODEC = Codec(pool())
LENIENT = Codec(pool(), CodecOptions(unknown_fields="ignore"))
REPORTING = Codec(pool(), CodecOptions(unknown_fields="report"))

DIFFERENCES = (
    "is no base64",
    "the empty text is no object of the fields",
    "a list is no object of the fields",
    "unknown field beside `value`",
)
"""What the codec refuses and json_format takes, as the docstring of transcoding.codec lists it."""

LENIENT_DIFFERENCES = (*DIFFERENCES, "is no object of the fields")
"""When it ignores unknown fields, json_format takes the letters of a text for fields."""

BEYOND_32_BITS = re.compile(r"`(-?[0-9]{10,}|-?[0-9.]+e\+[0-9]+)` is no value of the enum")
"""What json_format cuts to 32 bits before it looks."""

seeds = st.integers(0, 2**32 - 1)
every_message = pytest.mark.parametrize("name", MESSAGES)


def theirs(name: str, text: str, **options: Any) -> Any:
    """Return what json_format reads, or None if it refuses."""
    try:
        return json_format.Parse(text, new(name), descriptor_pool=pool(), **options)
    except json_format.ParseError:
        return None


def their_tree(message: Message, **options: Any) -> Any:
    return json.loads(json_format.MessageToJson(message, descriptor_pool=pool(), **options))


def assert_same(ours: Any, other: Any) -> None:
    """Compare with NaN equal to itself, minus zero different from zero, and the bytes within an Any read."""
    assert repr(shape(ours)) == repr(shape(other))


def shape(message: Any) -> Any:
    if message.DESCRIPTOR.full_name == "google.protobuf.Any" and message.value:
        inner = new(message.type_url.split("/")[-1])
        inner.ParseFromString(message.value)
        return message.type_url, shape(inner)
    return [(field.full_name, value_shape(field, value)) for field, value in message.ListFields()]


def value_shape(field: FieldDescriptor, value: Any) -> Any:
    if hasattr(value, "items") and not isinstance(value, Message):
        return sorted((repr(key), one_shape(item)) for key, item in value.items())
    return [one_shape(item) for item in value] if field.is_repeated else one_shape(value)


def one_shape(value: Any) -> Any:
    return repr(shape(value)) if isinstance(value, Message) else repr(value)


@every_message
@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_what_json_format_writes_is_read_the_same(name: str, seed: int) -> None:
    message = random_messages.message(Random(seed), descriptor(name))
    for preserving, numbers in itertools.product((False, True), repeat=2):
        text = json_format.MessageToJson(
            message,
            descriptor_pool=pool(),
            preserving_proto_field_name=preserving,
            use_integers_for_enums=numbers,
            ensure_ascii=numbers,
        )
        expected = theirs(name, text)
        if expected is None:
            with pytest.raises(InvalidRequest):
                CODEC.parse(descriptor(name), text.encode())
        else:
            assert_same(CODEC.parse(descriptor(name), text.encode()), expected)


@every_message
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_messages_are_written_the_same_with_all_options(name: str, seed: int) -> None:
    message = random_messages.message(Random(seed), descriptor(name))
    for names, defaults, numbers in itertools.product((False, True), repeat=3):
        expected = their_tree(
            message,
            preserving_proto_field_name=names,
            always_print_fields_with_no_presence=defaults,
            use_integers_for_enums=numbers,
        )
        options = CodecOptions(proto_field_names=names, print_defaults=defaults, enums_as_numbers=numbers)
        codec = Codec(pool(), options)
        assert repr(normal(json.loads(codec.print(message)))) == repr(normal(expected))
        assert normal(codec.tree(message)) == normal(expected)


def normal(tree: Any) -> Any:
    """Return the tree with its objects in one order."""
    if isinstance(tree, dict):
        return {key: normal(tree[key]) for key in sorted(tree)}
    return [normal(item) for item in tree] if isinstance(tree, list) else tree


@every_message
@given(seed=seeds)
@settings(max_examples=70, deadline=None)
def test_damaged_json_is_taken_exactly_if_json_format_takes_it(name: str, seed: int) -> None:
    random = Random(seed)
    tree = their_tree(random_messages.message(random, descriptor(name)))
    for _ in range(random.randrange(1, 3)):
        tree = random_messages.damage(random, tree)
    text = json.dumps(tree)
    compare(CODEC, name, text, theirs(name, text), DIFFERENCES)
    expected = theirs(name, text, ignore_unknown_fields=True)
    compare(LENIENT, name, text, expected, LENIENT_DIFFERENCES)
    compare(REPORTING, name, text, expected, LENIENT_DIFFERENCES)


def is_known(refusal: InvalidRequest, differences: tuple[str, ...]) -> bool:
    """Whether a refusal is nothing but differences."""
    said = [found.description for found in refusal.violations]
    return all(any(part in one for part in differences) or BEYOND_32_BITS.search(one) for one in said)


def refusal_of(read: Callable[[], object]) -> InvalidRequest | None:
    """Return what `read` raises, if it does."""
    try:
        read()
    except InvalidRequest as refusal:
        return refusal
    return None


def compare(codec: Codec, name: str, text: str, expected: Any, differences: tuple[str, ...]) -> None:
    refusal = refusal_of(lambda: codec.parse(descriptor(name), text.encode()))
    if refusal is not None:
        assert expected is None or is_known(refusal, differences), refusal.violations
    else:
        assert expected is not None
        assert_same(codec.parse(descriptor(name), text.encode()), expected)


@every_message
@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_a_field_merges_as_json_format_merges_it(name: str, seed: int) -> None:
    random = Random(seed)
    kind = descriptor(name)
    sent = their_tree(random_messages.message(random, kind))
    target = random_messages.message(random, kind, depth=2)
    for key in sent:
        for value in (sent[key], random_messages.damage(random, sent[key])):
            field = next(field for field in kind.fields if field.json_name == key)
            ours, expected = new(name), new(name)
            ours.CopyFrom(target)
            expected.CopyFrom(target)
            try:
                json_format.ParseDict({key: value}, expected, descriptor_pool=pool())
            except Exception:  # ParseDict lets everything through
                expected = None
            refusal = refusal_of(partial(CODEC.merge_field, ours, field, value))
            if refusal is not None:
                assert expected is None or is_known(refusal, DIFFERENCES), refusal.violations
            else:
                assert expected is not None
                assert_same(ours, expected)


@every_message
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_each_field_alone_is_written_as_within_its_message(name: str, seed: int) -> None:
    message = random_messages.message(Random(seed), descriptor(name))
    tree = CODEC.tree(message)
    assert isinstance(tree, dict)
    for field in descriptor(name).fields:
        if field.json_name in tree:
            alone = json.loads(CODEC.print_field(message, field))
            assert repr(normal(alone)) == repr(normal(json.loads(json.dumps(tree[field.json_name]))))


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_what_json_format_cannot_write_is_unprintable(seed: int) -> None:
    random = Random(seed)
    message = new("three.WellKnown")
    message.f_timestamp.seconds = random.choice((0, 2**60, -(2**60), 253402300800, -62135596801))
    message.f_timestamp.nanos = random.choice((0, -1, 10**9))
    message.f_duration.seconds = random.choice((0, 1, -1, 315576000001))
    message.f_duration.nanos = random.choice((0, 1, -1, 10**9))
    message.f_value.number_value = random.choice((1.0, float("nan"), float("-inf")))
    message.f_fieldmask.paths.append(random.choice(("a", "A", "a_", "a__b", "a_1")))
    message.f_any.type_url = random.choice(("x/three.Small", "x/none.Such", "three.Small"))
    message.f_any.value = random.choice((b"", b"\xff"))
    try:
        expected = their_tree(message)
    except Exception:  # it has no error for all of them
        with pytest.raises(Unprintable):
            CODEC.print(message)
    else:
        assert json.loads(CODEC.print(message)) == expected
