"""Field masks, one by one and by properties."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.control.conversion.scope import Scope
from edge.control.masks import merge
from gateway.v1 import policy_pb2, route_pb2, upstream_pb2

FIXED = ("name", "etag", "origin", "create_time", "update_time")


def update(current: Any, sent: Any, *paths: str) -> Any:
    scope = Scope()
    result = merge(current, sent, paths, fixed=FIXED, scope=scope)
    assert not scope.problems
    return result


def refusals(current: Any, *paths: str) -> list[str]:
    scope = Scope("update_mask")
    merge(current, current, paths, fixed=FIXED, scope=scope)
    assert all(problem.path == "update_mask" for problem in scope.problems)
    return [problem.description for problem in scope.problems]


def test_a_field_that_is_not_sent_is_cleared() -> None:
    current = upstream_pb2.Upstream(authority="a", labels={"x": "1"})
    current.timeout.seconds = 1
    assert update(current, upstream_pb2.Upstream(), "authority", "timeout", "labels") == upstream_pb2.Upstream()


def test_a_path_goes_into_messages() -> None:
    current, sent = upstream_pb2.Upstream(), upstream_pb2.Upstream()
    current.connection.connect_timeout.seconds = 1
    current.connection.connections_per_endpoint = 2
    sent.connection.connect_timeout.seconds = 3
    result = update(current, sent, "connection.connect_timeout")
    assert (result.connection.connect_timeout.seconds, result.connection.connections_per_endpoint) == (3, 2)


def test_clearing_within_a_message_that_is_not_there_makes_none() -> None:
    assert not update(upstream_pb2.Upstream(), upstream_pb2.Upstream(), "tls.ca_file").HasField("tls")


def test_clearing_within_a_message_keeps_the_rest() -> None:
    current = upstream_pb2.Upstream()
    current.tls.ca_file = "a"
    result = update(current, upstream_pb2.Upstream(), "tls.ca_file")
    assert result.HasField("tls")
    assert not result.tls.ca_file


def test_an_optional_field_keeps_a_zero() -> None:
    sent = upstream_pb2.Upstream()
    sent.connection.warm_up = False
    assert update(upstream_pb2.Upstream(), sent, "connection.warm_up").connection.HasField("warm_up")


@pytest.mark.parametrize(("path", "key"), [("labels.team", "team"), ("labels.`a.b`", "a.b"), ("labels.`a``b`", "a`b")])
def test_an_entry_of_a_map_is_set_and_removed(path: str, key: str) -> None:
    current = route_pb2.Route(labels={"other": "1"})
    changed = update(current, route_pb2.Route(labels={key: "2", "ignored": "3"}), path)
    assert dict(changed.labels) == {"other": "1", key: "2"}
    assert dict(update(changed, route_pb2.Route(), path).labels) == {"other": "1"}


def test_a_list_is_replaced_and_not_merged() -> None:
    current = route_pb2.Route(policies=["policies/a", "policies/b"])
    assert list(update(current, route_pb2.Route(policies=["policies/c"]), "policies").policies) == ["policies/c"]
    assert list(update(current, route_pb2.Route(policies=["policies/c"])).policies) == ["policies/c"]


def test_one_kind_of_a_oneof_replaces_another() -> None:
    current, sent = route_pb2.Route(), route_pb2.Route()
    current.forward.upstreams.add(upstream="upstreams/a")
    sent.direct_response.code = 5
    assert update(current, sent, "direct_response").WhichOneof("action") == "direct_response"
    assert update(current, sent, "direct_response.code").WhichOneof("action") == "direct_response"
    assert update(current, sent, "forward").WhichOneof("action") is None
    assert update(current, sent, "redirect").WhichOneof("action") == "forward"


def test_output_only_fields_name_and_etag_stay() -> None:
    current = route_pb2.Route(name="routes/a", etag="1")
    current.create_time.seconds = 5
    sent = route_pb2.Route(name="routes/b", etag="2", priority=1)
    for paths in ((), ("*",), ("name", "etag", "create_time", "origin.file", "priority")):
        result = update(current, sent, *paths)
        assert (result.name, result.etag, result.create_time.seconds, result.priority) == ("routes/a", "1", 5, 1)


def test_a_keyword_of_python_is_a_field_like_any_other() -> None:
    sent = policy_pb2.Policy()
    setattr(sent, "global", True)
    assert getattr(update(policy_pb2.Policy(), sent, "global"), "global")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("displayName", "did you mean `display_name`?"),
        ("forward.upstream", "did you mean `upstreams`?"),
        ("transcoding.json.proto_field_name", "there is no field `proto_field_name` in `transcoding.json`"),
        ("matches.hosts", "`matches` is a list, which is updated as a whole: write `matches`"),
        ("matches[0]", "there is no field `matches[0]`"),
        ("priority.x", "`priority` is a single value"),
        ("timeout.seconds", "`timeout` is a single value"),
        ("labels.a.b", "`labels` is a map"),
        ("", "is no field path"),
        ("a.", "is no field path"),
        (".a", "is no field path"),
        ("labels.`a", "is no field path"),
    ],
)
def test_a_wrong_path_says_why(path: str, words: str) -> None:
    (refusal,) = refusals(route_pb2.Route(), path)
    assert words in refusal


def test_everything_has_to_be_alone() -> None:
    assert refusals(route_pb2.Route(), "*", "priority") == ["`*` stands for every field and has to be alone"]


TEXT = st.text("ab.`-", min_size=1, max_size=4)
SMALL = st.integers(0, 3)


@st.composite
def upstreams(draw: st.DrawFn) -> upstream_pb2.Upstream:
    made = upstream_pb2.Upstream(name="upstreams/a", display_name=draw(st.sampled_from(["", "x", "y"])))
    made.labels.update(draw(st.dictionaries(TEXT, TEXT, max_size=3)))
    for address in draw(st.lists(TEXT, max_size=2)):
        made.static.endpoints.add(address=address)
    if draw(st.booleans()):
        made.connection.SetInParent()
    if value := draw(SMALL):
        made.connection.connect_timeout.seconds = value
    if value := draw(SMALL):
        made.connection.connections_per_endpoint = value
    if draw(st.booleans()):
        made.connection.warm_up = draw(st.booleans())
    made.compression = draw(st.sampled_from([0, 1, 2]))  # type: ignore[assignment]  # numbers of the enum
    return made


PATHS = st.one_of(
    st.sampled_from(
        [
            "display_name",
            "labels",
            "static",
            "static.endpoints",
            "connection",
            "connection.connect_timeout",
            "connection.connections_per_endpoint",
            "connection.warm_up",
            "compression",
            "name",
            "origin.line",
            "dns",
        ]
    ),
    TEXT.map(lambda key: f"labels.`{key.replace('`', '``')}`"),
)


def value_at(message: Any, path: str) -> Any:
    """A slow and simple reading of a path: what is there, or None."""
    if path.startswith("labels.`"):
        return message.labels.get(path[8:-1].replace("``", "`"))
    for step in path.split("."):
        field = message.DESCRIPTOR.fields_by_name[step]
        if field.has_presence and not message.HasField(step):
            return None
        message = getattr(message, step)
    if hasattr(message, "keys"):
        return dict(message) or None
    if isinstance(message, int | str):
        # a field without presence is not set when it is empty, one with presence is
        return (path, message) if field.has_presence or message else None
    return message if not field.is_repeated else list(message) or None


@given(upstreams(), upstreams(), st.lists(PATHS, min_size=1, max_size=4))
def test_after_an_update_the_fields_of_the_mask_are_as_sent_and_the_others_as_before(
    current: upstream_pb2.Upstream, sent: upstream_pb2.Upstream, paths: list[str]
) -> None:
    result = update(current, sent, *paths)
    for path in paths:
        if path.split(".")[0] not in FIXED:
            assert value_at(result, path) == value_at(sent, path)
    touched = {path.split(".")[0] for path in paths} - set(FIXED)
    for field in current.DESCRIPTOR.fields:
        if field.name not in touched:
            assert getattr(result, field.name) == getattr(current, field.name)
            if field.has_presence:
                assert result.HasField(field.name) == current.HasField(field.name)


@given(upstreams(), upstreams())
def test_the_mask_of_everything_replaces(current: upstream_pb2.Upstream, sent: upstream_pb2.Upstream) -> None:
    assert update(current, sent, "*") == sent
    names = [field.name for field in current.DESCRIPTOR.fields]
    assert update(current, sent, *names) == sent


@given(upstreams(), upstreams(), st.lists(PATHS, max_size=4))
def test_an_update_twice_is_an_update_once(
    current: upstream_pb2.Upstream, sent: upstream_pb2.Upstream, paths: list[str]
) -> None:
    before = current.SerializeToString(deterministic=True)
    once = update(current, sent, *paths)
    assert update(once, sent, *paths) == once
    assert current.SerializeToString(deterministic=True) == before
