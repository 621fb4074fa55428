"""Whatever a configuration can hold survives being written and read; whatever a text holds is read or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict, MessageToJson, ParseDict
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.control.yaml_config import Loaded, load
from edge.control.yaml_dump import dump
from edge.control.yaml_nodes import MAX_DEPTH
from edge.model.errors import InvalidRequest
from gateway.v1 import config_pb2

AWKWARD = ["", "~", "null", "true", "yes", "1e5", "0x1f", "010", "08", "1_000", "1:30", ".5", "${A}", "$${", "$$${x}"]
AWKWARD += [
    "a: b",
    "- a",
    "# no",
    "a #b",
    "'",
    '"',
    "\\",
    "\n",
    " x ",
    "tab\t",
    "a\n b\n",
    "é",
    "😀",
    "\u2028",
    "<<",
    "=",
    "\x85",
]
TEXT = st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RANGES = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}
FREE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return st.binary(max_size=9) if field.type == FieldDescriptor.TYPE_BYTES else TEXT
    return RANGES[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Any, depth: int = 0) -> Any:
    message: Any = GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Duration":
        message.FromNanoseconds(draw(st.integers(-(10**18), 10**18)))
        return message
    if descriptor.full_name == "google.protobuf.Struct":
        message.update(draw(st.dictionaries(TEXT, FREE, max_size=3)))
        return message
    if descriptor.full_name == "google.protobuf.Value":
        return ParseDict(draw(FREE), message)
    taken: set[str] = set()
    names = [field.name for field in descriptor.fields]
    for name in draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else ():
        field = descriptor.fields_by_name[name]
        oneof = field.containing_oneof
        behavior = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if field_behavior_pb2.OUTPUT_ONLY in behavior or (oneof is not None and oneof.name in taken):
            continue
        if oneof is not None:
            taken.add(oneof.name)
        kind = field.message_type
        if kind is not None and depth > 6:
            continue
        if kind is not None and kind.GetOptions().map_entry:
            value = kind.fields_by_name["value"]
            each = scalars(value) if value.message_type is None else messages(value.message_type, depth + 1)
            for key, item in draw(st.dictionaries(TEXT, each, max_size=3)).items():
                if value.message_type is None:
                    getattr(message, field.name)[key] = item
                else:
                    getattr(message, field.name)[key].CopyFrom(item)
        elif field.is_repeated:
            each = scalars(field) if kind is None else messages(kind, depth + 1)
            getattr(message, field.name).extend(draw(st.lists(each, max_size=3)))
        elif kind is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            target.CopyFrom(draw(messages(kind, depth + 1)))
        else:
            setattr(message, field.name, draw(scalars(field)))
    return message


def read(text: str) -> config_pb2.GatewayConfig:
    return load(text, name="edge.yaml", environment={}).config


def escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(messages(config_pb2.GatewayConfig.DESCRIPTOR))
def test_a_configuration_written_and_read_is_the_same(config: config_pb2.GatewayConfig) -> None:
    assert read(dump(config)) == config


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(messages(config_pb2.GatewayConfig.DESCRIPTOR), st.booleans())
def test_json_is_read_as_well(config: config_pb2.GatewayConfig, ascii_only: bool) -> None:
    text = MessageToJson(config, ensure_ascii=ascii_only)
    assert read(json.dumps(escaped(json.loads(text)), ensure_ascii=ascii_only, indent="\t")) == config


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(messages(config_pb2.GatewayConfig.DESCRIPTOR))
def test_what_other_tools_write_is_read(config: config_pb2.GatewayConfig) -> None:
    for policy in config.policies:  # free values have no type that could tell YAML 1.1 and 1.2 apart
        policy.extension.ClearField("settings")
        policy.body.Clear()
    assert read(yaml.safe_dump(escaped(MessageToDict(config)))) == config


FRAGMENTS = st.sampled_from(
    [
        "routes:",
        "upstreams:",
        "name:",
        "-",
        "\n",
        "{",
        "",
        "}",
        "[",
        "]",
        ",",
        ":",
        "'",
        '"',
        "|",
        ">",
        "&",
        "*",
        "&a",
        "*a",
        "!!str",
        "!",
        "%",
        "@",
        "`",
        "#",
        "---",
        "...",
        "?",
        "<<",
        "${A}",
        "${A:-b}",
        "$${",
        "${",
        "5",
        "1e5",
        "true",
        "null",
        "~",
        "static:",
        "labels:",
        "settings:",
        "extension:",
        "policies:",
        "timeout:",
        "5s",
        "matches:",
        "http:",
        "path:",
        "\t",
        "\x00",
        "�",
        "\x85",
        "\ufeff",
    ]
)


@settings(max_examples=600, deadline=None)
@given(st.text(max_size=60) | st.lists(FRAGMENTS | st.just("\n  ") | st.just(" "), max_size=40).map(" ".join))
@example("[" * 100_000)
@example("{a: " * 100_000)
@example("- " * 100_000)
@example("policies: [{extension: {settings: {a: 1" + "0" * 5000 + "}}}]")
@example("server: {workers: 1" + "0" * 5000 + "}")
@example("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\n" + "".join(f"{i}: &{i} [*b,*b]\n" for i in range(9)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(load(text, name="f", environment={"A": "1"}), Loaded)
    except InvalidRequest as error:
        described = [violation.description for violation in error.violations]
    else:
        return
    assert described
    assert all("\n" not in description for description in described)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_the_deepest_text_taken_can_be_sent(opening: str, closing: str) -> None:
    depth = MAX_DEPTH - 5
    text = f"policies: [{{extension: {{settings: {{x: {opening * depth}1{closing * depth}}}}}}}]"
    config = read(text)
    assert config_pb2.GatewayConfig.FromString(config.SerializeToString()) == config


def test_aliases_cannot_blow_a_text_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(InvalidRequest, match="aliases repeat more than"):
        read("\n".join(lines))
