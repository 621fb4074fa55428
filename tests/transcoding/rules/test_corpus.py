"""The cases of the corpus that templates, the matcher and the binders decide by themselves, without a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.api import http_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from edge.model.errors import InvalidRequest
from tests.corpus.cases import Case, Json, load
from tests.corpus.services import http_rule
from tests.transcoding.rules.schema import corpus_types, new
from transcoding.rules.binding import Binding, compile_rule, find_conflicts
from transcoding.rules.matcher import Matcher
from transcoding.rules.query import Unknown
from transcoding.rules.template import parse_template

OFFERED = {"query_map_syntax", "query_struct_as_json", "ignored_query_parameters"}
"""The extensions that these modules offer. Cases of others are not run."""

CORPUS = load()


def cases(*kinds: str) -> list[object]:
    return [pytest.param(case, id=case.id) for case in CORPUS.of(*kinds) if set(case.requires) <= OFFERED]


def matcher(case: Case) -> Matcher[str]:
    return Matcher(
        (entry["method"], parse_template(entry["template"]), entry["key"]) for entry in case.raw.get("templates", ())
    )


def requests(case: Case) -> Iterator[tuple[str, str, list[Json]]]:
    """Yield verb, path and what is right, for each request of a case."""
    if (sweep := case.raw.get("sweep")) is not None:
        for code in range(sweep["bytes_from"], sweep["bytes_to_inclusive"] + 1):
            for shape in ("02x", "02X"):
                path = sweep["path_format"].replace("HH", format(code, shape))
                yield "GET", path, [{"match": case.outcomes[0]["match"], "vars": {"x": chr(code)}}]
        return
    request = case.raw["request"]
    path = request.get("path")
    if path is None:
        parts = request["path_template"]
        path = parts["prefix"] + parts["repeat"] * parts["count"] + parts["suffix"]
    yield request["method"], path, case.outcomes


@pytest.mark.parametrize("case", cases("path_match", "percent_decoding"))
def test_a_path_finds_its_template_and_variables(case: Case) -> None:
    found = matcher(case)
    for verb, path, outcomes in requests(case):
        try:
            candidates = found.candidates(verb, path)
        except InvalidRequest:
            assert any(outcome["match"] is None and 400 in outcome["http_status_any_of"] for outcome in outcomes), path
            continue
        if not candidates:
            status = 405 if found.verbs(path) else 404
            fitting = [outcome for outcome in outcomes if outcome["match"] is None]
            assert any(status in outcome["http_status_any_of"] for outcome in fitting), (path, status)
            continue
        got = {"match": candidates[0].value, "vars": candidates[0].variables}
        assert any(got["match"] == right["match"] and got["vars"] == right.get("vars") for right in outcomes), got


@pytest.mark.parametrize("case", cases("good_template", "bad_template"))
def test_templates_and_rules_are_accepted_and_refused(case: Case) -> None:
    raw = case.raw
    accepted = parses(raw["template"], case.outcomes) if "template" in raw else compiles(raw)
    assert any(accepted is outcome["accept"] for outcome in case.outcomes)


def parses(text: str, outcomes: list[Json]) -> bool:
    try:
        template = parse_template(text)
    except ValueError:
        return False
    parsed = outcomes[0].get("parsed", {})
    if "segments" in parsed:
        assert [str(segment) for segment in template.segments] == parsed["segments"]
    assert template.verb == parsed.get("verb", template.verb)
    if "vars" in parsed:
        assert {variable.name: [variable.start, variable.end] for variable in template.variables} == parsed["vars"]
    return True


def compiles(raw: Json) -> bool:
    made: list[Binding] = []
    for given in raw.get("rules") or [raw["rule"]]:
        fields = dict(given)
        streams = bool(fields.pop("client_streaming", False))
        request = fields.pop("input", raw.get("input"))
        response = fields.pop("output", raw.get("output")) or request
        method = corpus_types().method(request, response, client_streaming=streams)
        rule = json_format.ParseDict(fields, http_pb2.HttpRule())
        bindings, problems = compile_rule(method, rule)
        if problems:
            assert not bindings
            return False
        made += bindings
    return not find_conflicts(made)


@pytest.mark.parametrize("case", cases("query_binding"))
def test_path_and_query_make_the_request(case: Case) -> None:
    method = corpus_types().method(case.raw["message"])
    bindings, problems = compile_rule(method, http_rule(case.http))
    assert not problems
    try:
        got = bound(bindings[0], case)
    except InvalidRequest:
        assert any(outcome.get("http_status") == 400 for outcome in case.outcomes)
        return
    rights = [
        json_format.ParseDict(outcome["json"], new(method.input_type)) for outcome in case.outcomes if "json" in outcome
    ]
    # bytes, not messages: NaN is not equal to itself
    assert got.SerializeToString(deterministic=True) in [
        right.SerializeToString(deterministic=True) for right in rights
    ], got


def bound(binding: Binding, case: Case) -> Message:
    request = case.raw["request"]
    message = new(binding.method.input_type)
    if "body" in request and binding.body is not None:
        put_body(message, binding, request["body"])
    candidates = Matcher([(binding.verb, binding.template, binding)]).candidates(request["method"], request["path"])
    assert candidates
    binding.path.bind(message, candidates[0].variables)
    unknown: Unknown = "ignore" if case.options.get("ignore_unknown_query_parameters") else "refuse"
    ignored = frozenset(case.options.get("ignored_query_parameters", ()))
    binding.query.bind(message, request["query"], unknown=unknown, ignored=ignored)
    return message


def put_body(message: Message, binding: Binding, text: str) -> None:
    """Put a body where the rule wants it, by protobuf's own parser: bodies are not what is tested here."""
    if isinstance(binding.body, FieldDescriptor):
        text = f'{{"{binding.body.json_name}":{text}}}'
    json_format.Parse(text, message)
