"""edge.yaml: what is taken, what is refused, and where it says the mistake is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.message import Message

from edge.control import yaml_nodes
from edge.control.yaml_config import Loaded, documents, load, load_message
from edge.control.yaml_dump import dump_all
from edge.control.yaml_message import MAX_VIOLATIONS
from edge.model.errors import InvalidRequest
from edge.model.hints import did_you_mean, nearest
from gateway.v1 import config_pb2, route_pb2, server_pb2


def read(text: str, environment: Mapping[str, str] | None = None) -> Loaded:
    return load(text, name="edge.yaml", environment=environment or {})


def mistakes(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(text, environment)
    return [str(violation) for violation in caught.value.violations]


def mistake(text: str, environment: Mapping[str, str] | None = None) -> str:
    (found,) = mistakes(text, environment)
    return found


GOOD = """\
server:
  drain_timeout: 250ms
  limits: {maxMessageBytes: 0x100}
observability: {log: {level: info, format: FORMAT_JSON}}
upstreams:
  - name: upstreams/a
    static:
      endpoints: [{address: "127.0.0.1:1", weight: 2}]
    round_robin: {}
routes:
  - name: routes/a
    matches:
      - http: {path: "/a/{id}", methods: [GET]}
    timeout: 1.5s
    labels: {team.a: x, 5: y}
"""


def test_a_configuration_is_read() -> None:
    config = read(GOOD).config
    assert config.server.drain_timeout.ToMilliseconds() == 250
    assert config.server.limits.max_message_bytes == 256
    assert config.observability.log.level == server_pb2.ObservabilityConfig.Log.LEVEL_INFO
    assert config.upstreams[0].HasField("round_robin")
    assert config.upstreams[0].static.endpoints[0].weight == 2
    assert config.routes[0].timeout.ToMilliseconds() == 1500
    assert dict(config.routes[0].labels) == {"team.a": "x", "5": "y"}


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "---\n", "{}", "null", "\ufeff", "routes:\nupstreams: null\n"])
def test_nothing_is_an_empty_configuration(text: str) -> None:
    assert read(text).config == config_pb2.GatewayConfig()


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("routes[0].matches[0].http.path", "13:22"),
        ("routes[0].matches[0].http", "13:9"),
        ("routes[0].matches[0].grpc.service", "13:9"),
        ("routes[0]", "11:5"),
        ("routes[7].name", "10:1"),
        ('routes[0].labels["team.a"]', "15:22"),
        ("server.limits.max_message_bytes", "3:29"),
        ("server.workers", "1:1"),
        ("", "1:1"),
    ],
)
def test_a_field_is_located_or_what_is_nearest_around_it(path: str, place: str) -> None:
    assert read(GOOD).locate(path) == f"edge.yaml:{place}"


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    text = """\
server: {workers: x}
route: []
upstreams:
  - name: 5
    static: {endpoints: []}
    dns: {hostname: x}
    round_robin:
    protocol: gprc
    origin: {kind: FILE}
    timeout: 5m
    timeout: 30
    connection: {warm_up: yes}
routes: {}
"""
    assert mistakes(text) == [
        "edge.yaml:1:19: server.workers: expected a whole number, found the text `x`",
        "edge.yaml:2:1: route: unknown key `route`; did you mean `routes`?",
        "edge.yaml:4:11: upstreams[0].name: expected a text, found the number `5`; put it in quotes",
        "edge.yaml:6:5: upstreams[0].dns: only one of `static` (line 5) and `dns` may be given",
        "edge.yaml:7:5: upstreams[0].round_robin: nothing follows `round_robin:`; write `round_robin: {}` or remove it",
        "edge.yaml:8:15: upstreams[0].protocol: expected one of GRPC, HTTP, found the text `gprc`; did you mean GRPC?",
        "edge.yaml:9:5: upstreams[0].origin: `origin` is set by the gateway; remove it",
        "edge.yaml:10:14: upstreams[0].timeout: expected a duration such as 30s, 1.5s or 250ms, found the text `5m`; "
        "write 300s",
        "edge.yaml:11:5: upstreams[0].timeout: `timeout` is given twice, first in line 10",
        "edge.yaml:12:27: upstreams[0].connection.warm_up: expected true or false, found the text `yes`; write true",
        "edge.yaml:13:9: routes: expected a list, found a mapping; write `- ` before each value",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {workers: -1}", "expected a whole number from 0 to 4294967295, found the number `-1`"),
        ("server: {workers: 1.5}", "expected a whole number, found the number `1.5`"),
        ("server: {workers: 1_000}", "write 1000"),
        ("server: {workers: 010}", "write 10"),
        ("server: {workers: [1]}", "expected a number, found a list"),
        ("server: {drain_timeout: 30}", "found the number `30`; write 30s"),
        ("server: {drain_timeout: 9999999999999s}", "expected a duration"),
        ("server: {drain_timeout: 999999999999s}", "at most 315576000000s"),
        ("server: {drain_timeout: {}}", "expected a single value, found a mapping"),
        ("server: 5", "expected a mapping, found the number `5`"),
        ("routes: [5]", "routes[0]: expected a mapping"),
        ("routes: [{labels: [a]}]", "routes[0].labels: expected a mapping"),
        ("routes: [{labels: {a: null}}]", 'routes[0].labels["a"]: expected a text, found nothing'),
        ("routes: [{policies: [null]}]", "routes[0].policies[0]: expected a text, found nothing"),
        ("routes: [{labels: {a: x, a: y}}]", "`a` is given twice, first in line 1"),
        ("server: {drainTimeout: 1s, drain_timeout: 1s}", "`drain_timeout` is given twice"),
        ("server: {<<: {workers: 1}}", "merge keys"),
        ("schemas: [{fileDescriptorSet: '*'}]", "expected bytes in base64"),
        ("observability: {metrics: {buckets: [x]}}", "expected a number, found the text `x`"),
        ("observability: {log: {level: 99}}", "expected one of DEBUG, INFO, WARNING, ERROR"),
        ("policies: [{extension: {settings: 5}}]", "expected a mapping, found the number `5`"),
        ("policies: [{extension: {settings: {a: .nan}}}]", "expected a number JSON can hold"),
        ("zzz: 1", "known are `consumers`, `observability`"),
        ("- 1", "expected a mapping, found a list"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, words: str) -> None:
    assert words in mistake(text)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\t- b", "2:1", "a tab cannot be used for indentation"),
        ("a: b: c", "1:5", "a `:` does not fit here"),
        ("a: [1,\n 2", "3:1", "lacks a `,` or its `]` (it begins in line 1)"),
        ("a: 'b", "1:6", "no closing quote"),
        ("a: @b", "1:4", "a value cannot begin with `@`"),
        ('a: "\\q"', "1:5", "no escape after `\\`"),
        ("a:\n  b: 1\n c: 2", "3:2", "indentation"),
        ("a: *b", "1:4", "`*b` refers to an anchor that is not there"),
        ("a: &b [*b]", "1:8", "`*b` stands inside what it refers to"),
        ("a: !!python/name:os.system x", "1:4", "the tag"),
        ("? [a]\n: b", "1:3", "a key has to be a single word"),
        ("a: \x00", "1:4", "control characters are not allowed"),
        ("a: \ud800", "1:4", "not valid Unicode"),
        ("[" * 99, "1:33", "nested more than 32 levels"),
        ("{}\n---\n{}", "3:1", "a second document begins here"),
        ("a: {b: ${C}}", "1:8", "put `${…}` in quotes"),
    ],
)
def test_broken_yaml_is_one_mistake_in_plain_words(text: str, place: str, words: str) -> None:
    found = mistake(text)
    assert found.startswith(f"edge.yaml:{place}: ")
    assert words in found


def test_mistakes_have_an_end() -> None:
    found = mistakes("\n".join(f"k{i}: 1" for i in range(200)))
    assert len(found) == MAX_VIOLATIONS + 1
    assert found[-1] == f"only the first {MAX_VIOLATIONS} mistakes are shown"


@pytest.mark.parametrize(
    ("text", "environment", "workers"),
    [
        ("server:\n  workers: ${N}", {"N": "3"}, 3),
        ("server:\n  workers: ${N:-4}", {}, 4),
        ("server:\n  workers: ${N:-4}", {"N": ""}, 4),
        ("server: {workers: '${N}'}", {"N": "3"}, 3),
        ("server:\n  workers: ${A}${B:-1}", {"A": "2"}, 21),
        ("server:\n  workers: ${N:-}", {}, 0),
    ],
)
def test_the_environment_fills_values(text: str, environment: Mapping[str, str], workers: int) -> None:
    assert read(text, environment).config.server.workers == workers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "7"),
        ("$${A}", "${A}"),
        ("a$b", "a$b"),
        ("$$${A}", "$${A}"),
        ("x-${A}-${B:-c d}", "x-7-c d"),
        ("$A", "$A"),
    ],
)
def test_text_from_the_environment_stays_text(text: str, value: str) -> None:
    assert read(f"store:\n  sqlite:\n    path: {text}\n", {"A": "7"}).config.store.sqlite.path == value


def test_a_boolean_in_json_may_come_from_the_environment() -> None:
    assert read('{"server": {"admin": {"disabled": "${OFF}"}}}', {"OFF": "true"}).config.server.admin.disabled


def test_a_variable_that_is_not_set_is_named_with_its_line() -> None:
    assert mistake("server:\n  workers: ${NOPE}") == (
        "edge.yaml:2:12: server.workers: the environment variable NOPE is not set; set it, or give a default as in "
        "`${NOPE:-value}`"
    )
    assert "`${` begins no reference" in mistake("server:\n  workers: ${1}")


@pytest.mark.parametrize(
    "text",
    [
        "routes: [{labels: {token: {s3cret: 1}}}]",
        "routes: [{labels: {password: 5330}}]",
        "store: {redis: {url: 5330}}",
        "server: {workers: '${W}'}",
        f"server: {{workers: {'s3cret' * 20}}}",
    ],
)
def test_what_may_be_secret_or_is_long_is_not_repeated(text: str) -> None:
    found = mistake(text, {"W": "s3cret"})
    assert "s3cret" not in found
    assert "5330" not in found


def test_aliases_repeat_a_value() -> None:
    config = read("routes: [{name: a, timeout: &t 5s}, {name: b, timeout: *t}]").config
    assert [route.timeout.seconds for route in config.routes] == [5, 5]


def test_json_escapes_are_understood() -> None:
    config = read('{\n\t"routes": [{"name": "\\ud83d\\ude00\\/\\\\ud83d\\u2028\x7f"}]}').config
    assert config.routes[0].name == "😀/\\ud83d\u2028\x7f"


def test_without_libyaml_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    before = read(GOOD).config
    monkeypatch.setattr(yaml_nodes, "_LOADER", yaml.SafeLoader)
    assert read(GOOD).config == before
    assert "tab" in mistake("a:\n\t- b")
    for broken in ("a: b: c", "a: [1", "a: 'b", "a: \x00", "a: \ud800", "[" * 5000):
        mistake(broken)


def test_what_only_the_gateway_sets_can_be_left_out() -> None:
    text = "name: routes/a\norigin: {anything: goes}\ncreateTime: x\ntimeout: 1s"
    loaded = load_message(text, route_pb2.Route, name="f", environment={}, output_only="ignore")
    assert loaded.config.name == "routes/a"
    assert not loaded.config.HasField("origin")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (struct_pb2.Struct(fields={"a": struct_pb2.Value(bool_value=True)}), "a: true"),
        (struct_pb2.Value(number_value=1), "1.0"),
        (struct_pb2.ListValue(values=[struct_pb2.Value(string_value="yes")]), "[yes]"),
        (timestamp_pb2.Timestamp(seconds=60), "1970-01-01T00:01:00Z"),
        (duration_pb2.Duration(nanos=-5_000_000), "-5ms"),
        (field_mask_pb2.FieldMask(paths=["a_b", "c"]), "aB,c"),
        (wrappers_pb2.BoolValue(value=True), "true"),
        (wrappers_pb2.Int64Value(value=-5), "'-5'"),
        (wrappers_pb2.DoubleValue(value=math.inf), ".inf"),
        (wrappers_pb2.FloatValue(value=-math.inf), "-Infinity"),
        (wrappers_pb2.BytesValue(value=b"\xfb\xff"), "-_8"),
    ],
)
def test_well_known_types_have_the_forms_of_json(message: Message, text: str) -> None:
    assert load_message(text, type(message), name="f", environment={}).config == message


@pytest.mark.parametrize(
    ("message_type", "text", "words"),
    [
        (timestamp_pb2.Timestamp, "yesterday", "a time such as"),
        (field_mask_pb2.FieldMask, "a_b", "field paths in lowerCamelCase"),
        (wrappers_pb2.FloatValue, "1e39", "not that large"),
        (wrappers_pb2.DoubleValue, "1e999", "not that large"),
        (wrappers_pb2.StringValue, "[a]", "a single value"),
        (struct_pb2.Struct, "[a]", "a mapping"),
        (struct_pb2.ListValue, "{a: b}", "a list"),
        (any_pb2.Any, "{}", "any type"),
    ],
)
def test_other_forms_of_them_are_refused(message_type: type[Message], text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        load_message(text, message_type, name="f", environment={})


def test_documents_are_read_one_by_one() -> None:
    first, second = documents("name: routes/a\n---\n---\nroutes: []\n", name="f")
    assert first.text("name") == "routes/a"
    assert second.keys == ("routes",)
    assert second.place == "f:4:1"
    with pytest.raises(InvalidRequest, match="not here"):
        second.read(config_pb2.Config, environment={}, refused={"routes": "not here"})


def test_an_any_message_of_proto2_is_read_too() -> None:
    text = "name: x\nmessageType: [{name: A, field: [{name: f, number: 1, type: TYPE_STRING}]}]"
    loaded = load_message(text, descriptor_pb2.FileDescriptorProto, name="f", environment={})
    assert loaded.config.message_type[0].field[0].type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING


def test_written_documents_keep_what_looks_like_a_number() -> None:
    route = route_pb2.Route(name="routes/a", etag="1e5", display_name="${A}")
    assert dump_all([route]) == "name: routes/a\ndisplay_name: $${A}\netag: '1e5'\n"


def test_hints_name_the_nearest_or_the_few_there_are() -> None:
    assert nearest("Machtes", ["matches", "name"]) == "matches"
    assert did_you_mean("rate-limit", ["rate_limit"]) == "; did you mean `rate_limit`?"
    assert did_you_mean("x", ["aaa", "bbb"]) == "; known are `aaa`, `bbb`"
    assert did_you_mean("x", [f"name{i:02}" for i in range(20)]).endswith("and 8 more")
    assert did_you_mean("x", []) == ""
