from __future__ import annotations

import pytest
from google.api import http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from tests.transcoding.rules.schema import new, shop_method
from transcoding.rules.binding import Problem, compile_rule, find_conflicts
from transcoding.rules.fields import Tables


def rule(**fields: object) -> http_pb2.HttpRule:
    return json_format.ParseDict(fields, http_pb2.HttpRule())


def problems(method: str, given: http_pb2.HttpRule) -> list[tuple[str, str]]:
    bindings, found = compile_rule(shop_method(method), given)
    assert not bindings
    assert all(problem.method == f"shop.v1.Shelves.{method}" for problem in found)
    return [(problem.field, problem.description) for problem in found]


def test_a_rule_becomes_a_binding_that_fills_the_request() -> None:
    (binding,), found = compile_rule(
        shop_method("Update"), rule(patch="/v1/{shelf.name=shelves/*}", body="shelf", response_body="place")
    )
    assert not found
    assert binding.pattern == "PATCH /v1/{shelf.name=shelves/*}"
    assert isinstance(binding.body, FieldDescriptor)
    assert binding.body.full_name == "shop.v1.UpdateShelfRequest.shelf"
    assert binding.response_body is not None
    assert binding.response_body.full_name == "shop.v1.Shelf.place"
    message = new(binding.method.input_type)
    binding.path.bind(message, {"shelf.name": "shelves/1"})
    binding.query.bind(message, "updateMask=theme")
    assert json_format.MessageToDict(message) == {"shelf": {"name": "shelves/1"}, "updateMask": "theme"}


@pytest.mark.parametrize("verb", ["get", "put", "post", "delete", "patch"])
def test_every_verb_is_taken(verb: str) -> None:
    (binding,), found = compile_rule(shop_method("Get"), rule(**{verb: "/"}))
    assert (binding.verb, found, binding.body, binding.response_body) == (verb.upper(), [], None, None)


@pytest.mark.parametrize("kind", ["*", "HEAD", "x-Purge"])
def test_custom_verbs_are_taken_as_they_are_written(kind: str) -> None:
    (binding,), _ = compile_rule(shop_method("Get"), rule(custom={"kind": kind, "path": "/a"}, body="*"))
    assert (binding.verb, binding.body) == (kind, "*")


def test_a_body_on_get_and_delete_is_accepted() -> None:
    for verb in ("get", "delete"):
        bindings, found = compile_rule(shop_method("Get"), rule(**{verb: "/a"}, body="name"))
        assert bindings
        assert not found


def test_what_is_wrong_with_one_binding_leaves_the_others() -> None:
    nested = {"get": "/c", "additional_bindings": [{"get": "/d"}]}
    given = rule(get="/{nmae}", additional_bindings=[{"get": "/b"}, nested, {"put": "/e/"}, {}])
    bindings, found = compile_rule(shop_method("Get"), given)
    assert [binding.pattern for binding in bindings] == ["GET /b"]
    assert [(problem.field, problem.path) for problem in found] == [
        ("get", "/{nmae}"),
        ("additional_bindings[1].additional_bindings", "/c"),
        ("additional_bindings[2].put", "/e/"),
        ("additional_bindings[3].pattern", ""),
    ]


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({}, "pattern", "set one of get, put, post"),
        ({"body": "*"}, "pattern", "there is none"),
        ({"get": ""}, "get", "the path is empty"),
        ({"custom": {"kind": "", "path": "/a"}}, "custom.kind", "`` is no HTTP method"),
        ({"custom": {"kind": "a b", "path": "/a"}}, "custom.kind", "no HTTP method"),
        ({"custom": {"kind": "HEAD"}}, "custom.path", "the path is empty"),
        ({"get": "/a/"}, "get", "column 4 of `/a/`"),
        ({"get": "/{nmae}"}, "get", "shop.v1.Shelf has no field `nmae`; did you mean `name`?"),
        ({"get": "/{place.flor}"}, "get", "shop.v1.Place has no field `flor`; did you mean `floor`?"),
        ({"get": "/{even}"}, "get", "has no field `even`"),
        ({"get": "/{name.x}"}, "get", "`name` is a string and has no fields"),
        ({"get": "/{opened.seconds}"}, "get", "a path needs a singular message there"),
        ({"get": "/{former.room}"}, "get", "`former` is a repeated shop.v1.Place"),
        ({"get": "/{labels.key}"}, "get", "`labels` is a map<string, string>; a path needs a singular message"),
        ({"get": "/{tags.x}"}, "get", "`tags` is a repeated string"),
        ({"get": "/{place}"}, "get", "a path needs a singular scalar or enum field there"),
        ({"get": "/{opened}"}, "get", "`opened` is a google.protobuf.Timestamp; a path needs a singular scalar"),
        ({"get": "/{limit}"}, "get", "a path needs a singular scalar"),
        ({"get": "/{tags}"}, "get", "`tags` is a repeated string; a path needs a singular scalar"),
        ({"get": "/{labels}"}, "get", "`labels` is a map<string, string>; a path needs a singular scalar"),
        ({"get": "/{person}/{office.room}"}, "get", "`person` and `office`, which are in one oneof (`owner`)"),
        ({"get": "/{person}", "body": "office"}, "body", "are in one oneof (`owner`)"),
        ({"put": "/a", "body": "nmae"}, "body", "shop.v1.Shelf has no field `nmae`; did you mean `name`?"),
        ({"put": "/a", "body": "place.room"}, "body", "`place.room` is a path; only a field of shop.v1.Shelf itself"),
        ({"put": "/{name}", "body": "name"}, "body", "the path sets `name` already"),
        ({"put": "/a", "response_body": "x.y"}, "response_body", "`x.y` is a path"),
        ({"put": "/a", "response_body": "*"}, "response_body", "has no field `*`"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(fields: dict[str, object], place: str, words: str) -> None:
    ((field, description),) = problems("Get", rule(**fields))
    assert field == place
    assert words in description


def test_a_problem_is_a_line_for_people() -> None:
    problem = Problem("shop.v1.Shelves.Get", "additional_bindings[0].get", "/a/", "leave the last slash out")
    assert str(problem) == "shop.v1.Shelves.Get: additional_bindings[0].get (/a/): leave the last slash out"
    assert str(Problem("a.B.C", "pattern", "", "there is none")) == "a.B.C: pattern: there is none"


def test_methods_that_claim_the_same_paths_are_a_conflict() -> None:
    tables = Tables()
    bindings = [
        binding
        for method, path in (
            ("Get", "/v1/{name=shelves/*}"),
            ("Hidden", "/v1/shelves/{name}"),
            ("Hidden", "/v1/shelves/{odd}"),
            ("Update", "/v1/shelves/**"),
            ("Update", "/v1/{text}/x"),
        )
        for binding in compile_rule(shop_method(method), rule(get=path), tables)[0]
    ]
    bindings += compile_rule(shop_method("Update"), rule(put="/v1/shelves/{text}"), tables)[0]
    bindings += compile_rule(shop_method("Update"), rule(custom={"kind": "*", "path": "/v1/shelves/{text}"}), tables)[0]
    found = find_conflicts(bindings)
    assert [(problem.method, problem.field, problem.path) for problem in found] == [
        ("shop.v1.Shelves.Hidden", "GET", "/v1/shelves/{name}"),
        ("shop.v1.Shelves.Hidden", "GET", "/v1/shelves/{odd}"),
    ]
    assert "shop.v1.Shelves.Get takes the same paths (GET /v1/{name=shelves/*})" in found[0].description


def test_a_method_may_claim_its_own_paths_twice() -> None:
    bindings, _ = compile_rule(shop_method("Get"), rule(get="/{name}", additional_bindings=[{"get": "/{odd}"}]))
    assert len(bindings) == 2
    assert not find_conflicts(bindings)
