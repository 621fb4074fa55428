from __future__ import annotations

import pytest
from google.api import http_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from tests.transcoding.rules.schema import new, shop_message, shop_method
from transcoding.rules.binding import Binding, compile_rule
from transcoding.rules.fields import Tables
from transcoding.rules.mask import AutoMask, auto_mask

MASK = AutoMask(Tables().of(shop_message("Shelf")))


def binding(method: str, **fields: str) -> Binding:
    (found,), problems = compile_rule(shop_method(method), http_pb2.HttpRule(**fields))
    assert not problems
    return found


def made(**fields: str) -> AutoMask:
    found = auto_mask(binding("Update", **fields))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("tree", "paths"),
    [
        ({}, []),
        ({"name": "a"}, ["name"]),
        ({"theme": "THEME_UNSPECIFIED", "count": 0, "name": ""}, ["theme", "count", "name"]),
        ({"name": None}, ["name"]),
        # a message is walked into, as deep as it goes
        ({"place": {"room": "1", "within": {"within": {"floor": 0}}}}, ["place.room", "place.within.within.floor"]),
        ({"place": {}}, ["place"]),
        ({"place": None}, ["place"]),
        ({"place": {"within": {}}}, ["place.within"]),
        ({"office": {"room": "1"}}, ["office.room"]),
        # what is not walked into
        ({"labels": {"a": "1"}}, ["labels"]),
        ({"labels": {}}, ["labels"]),
        ({"places": {"1": {"room": "1"}}}, ["places"]),
        ({"tags": []}, ["tags"]),
        ({"tags": ["a"], "former": [{"room": "1"}]}, ["tags", "former"]),
        ({"extra": {"@type": "type.googleapis.com/shop.v1.Place", "room": "1"}}, ["extra"]),
        ({"meta": {"a": {"b": 1}}}, ["meta"]),
        ({"note": {"string_value": 1}}, ["note"]),
        ({"note": None}, ["note"]),
        ({"list": [1]}, ["list"]),
        ({"opened": "1970-01-01T00:00:00Z", "rest": "1s", "limit": 0}, ["opened", "rest", "limit"]),
        ({"limits": [1]}, ["limits"]),
        ({"nothing": {}}, ["nothing"]),
        # names of either kind, each field once
        ({"even": "1"}, ["odd"]),
        ({"odd": "1"}, ["odd"]),
        ({"odd": "1", "even": "2"}, ["odd"]),
        # the codec says what is unknown; a message of which only that is mentioned is not cleared
        ({"nmae": "a", "name": "b"}, ["name"]),
        ({"place": {"flor": 1}}, []),
        # wrong types are the codec's too
        ({"place": [1]}, ["place"]),
        ({"place": "x"}, ["place"]),
        ([], []),
        (None, []),
        ("x", []),
    ],
)
def test_the_mask_is_what_the_body_mentions(tree: object, paths: list[str]) -> None:
    assert MASK.paths(tree) == paths


def test_a_very_deep_body_is_named_from_some_depth_on() -> None:
    tree: dict[str, object] = {"floor": 1}
    for _ in range(20_000):
        tree = {"within": tree}
    (path,) = MASK.paths({"place": tree})
    assert path.startswith("place.within.within")
    assert path.endswith(".within")


def test_what_the_path_sets_is_not_changed() -> None:
    mask = made(patch="/v1/{shelf.name}/{shelf.place.room}", body="shelf")
    assert mask.paths({"name": "a", "theme": "FICTION", "place": {"room": "1", "floor": 2}}) == ["theme", "place.floor"]
    assert mask.paths({"name": "a", "place": {"room": "1"}}) == []


def request(**fields: object) -> Message:
    return json_format.ParseDict(fields, new(shop_message("UpdateShelfRequest")))


def test_a_request_gets_its_mask() -> None:
    message = request(shelf={"name": "a"})
    assert made(patch="/v1/{shelf.name}", body="shelf").fill(message, {"name": "a", "place": {"floor": 0}})
    assert json_format.MessageToDict(message) == {"shelf": {"name": "a"}, "updateMask": "place.floor"}


@pytest.mark.parametrize("given", ["theme", ""])
def test_a_mask_that_is_there_stays(given: str) -> None:
    message = request(shelf={"name": "a"}, update_mask=given)
    before = message.SerializeToString()
    assert not made(patch="/v1/x", body="shelf").fill(message, {"name": "a"})
    assert message.SerializeToString() == before


def test_a_body_that_mentions_nothing_gets_no_mask() -> None:
    message = request()
    assert not made(patch="/v1/x", body="shelf").fill(message, {})
    assert not message.HasField("update_mask")


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("Update", {"put": "/v1/x", "body": "shelf"}),
        ("Update", {"patch": "/v1/x", "body": "*"}),
        ("Update", {"patch": "/v1/x"}),
        ("Update", {"patch": "/v1/x", "body": "allow_missing"}),
        ("Update", {"patch": "/v1/x", "body": "update_mask"}),
        # `update_mask` is no FieldMask there
        ("Send", {"patch": "/v1/x", "body": "file"}),
        # no field `update_mask`, and bodies that are not walked into
        ("Get", {"patch": "/v1/x", "body": "place"}),
        ("Get", {"patch": "/v1/x", "body": "labels"}),
    ],
)
def test_other_bindings_get_no_mask(method: str, fields: dict[str, str]) -> None:
    assert auto_mask(binding(method, **fields)) is None
