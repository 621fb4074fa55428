from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import (
    descriptor_pool,
    duration_pb2,
    json_format,
    source_context_pb2,
    struct_pb2,
    type_pb2,
    wrappers_pb2,
)

from tests.corpus.backend import Call
from tests.corpus.bodies import body, content_type, events, lines, problem_of_length, same_text
from tests.corpus.cases import Case, load
from tests.corpus.checks import Checker, Observed, any_of, refused
from tests.corpus.compare import (
    contains_json,
    leaves,
    parse_json,
    rule_problem,
    same_json,
    same_message,
    same_variables,
)
from tests.corpus.conditions import check, scene
from tests.corpus.descriptors import Schemas
from tests.corpus.http1 import Answer, Request
from tests.corpus.requests import Sent
from tests.corpus.runner import pool
from tests.corpus.services import methods

DEFAULT = descriptor_pool.Default()


def answer(
    text: str | bytes = b"", status: int = 200, kind: str = "application/json", *, complete: bool = True
) -> Answer:
    data = text.encode() if isinstance(text, str) else text
    return Answer(status, [("content-type", kind)], data, complete)


def observed(found: Answer, *calls: Call) -> Observed:
    return Observed(Sent(Request("GET", "/")), found, list(calls))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        (1.0, 1),
        ("1", "1"),
        ([], []),
        (None, None),
    ],
)
def test_same_json_accepts(found: Any, expected: Any) -> None:
    assert same_json(found, expected) == ""


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        ("1", 1, 'the value is "1", not 1'),
        (1, "1", "not"),
        (True, 1, "not 1"),
        (0, False, "not false"),
        (None, {}, "is null"),
        ({"a": 1}, {}, "has 'a' besides"),
        ({}, {"a": 1}, "lacks 'a'"),
        ([1, 2], [2, 1], r"[0] is 1, not 2"),
        ([1], [1, 2], "has 1 items, not 2"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 1, not 2"),
    ],
)
def test_same_json_refuses(found: Any, expected: Any, words: str) -> None:
    assert words in same_json(found, expected)


def test_contains_json_lets_objects_hold_more_but_not_lists() -> None:
    assert contains_json({"code": 5, "message": "m", "details": []}, {"code": 5}) == ""
    assert "code is 6" in contains_json({"code": 6}, {"code": 5})
    assert "lacks 'code'" in contains_json({}, {"code": 5})
    assert "items" in contains_json({"a": [1, 2]}, {"a": [1]})


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"\xff", b"{} {}", b"", b"{'a':1}"])
def test_parse_json_takes_only_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_messages_are_compared_by_value() -> None:
    float_value = wrappers_pb2.FloatValue(value=11.1)
    assert same_message(float_value, 11.1, DEFAULT) == ""
    assert same_message(float_value, 11.100000381469727, DEFAULT) == ""
    assert same_message(float_value, 11.2, DEFAULT)
    assert same_message(wrappers_pb2.DoubleValue(value=float("nan")), "NaN", DEFAULT) == ""
    assert same_message(duration_pb2.Duration(seconds=1), "1.000s", DEFAULT) == ""
    assert same_message(duration_pb2.Duration(seconds=1), "2s", DEFAULT)
    assert same_message(wrappers_pb2.Int64Value(value=1), "1", DEFAULT) == ""
    assert same_message(struct_pb2.Value(null_value=struct_pb2.NULL_VALUE), None, DEFAULT) == ""
    assert same_message(type_pb2.Field(name="a"), {"name": "a", "number": 0}, DEFAULT) == ""
    assert same_message(type_pb2.Field(name="a"), {"nome": "a"}, DEFAULT)


def test_every_message_of_the_corpus_is_itself_and_no_other() -> None:
    """The JSON of one outcome, made a message, is that outcome; of two different outcomes it is only one."""
    corpus = load()
    checker = Checker(pool(Schemas(corpus.schemas), list(corpus.cases)))
    tried = 0
    for case in corpus.of("query_binding", "body_binding"):
        found = methods(case)
        for outcome in case.outcomes:
            if "json" not in outcome:
                continue
            message = checker.message(found[0].request, b"")
            json_format.ParseDict(outcome["json"], message, descriptor_pool=checker.pool)
            call = Call("M0", [], [message.SerializeToString()])
            assert checker.binding(case, outcome, observed(answer("{}"), call), found) == "", case.id
            assert checker.binding(case, outcome, observed(answer("{}", 400), call), found)
            assert checker.binding(case, outcome, observed(answer("{}")), found)
            tried += 1
    assert tried


def test_variables_are_compared_exactly() -> None:
    field = type_pb2.Type(name="a b", source_context=source_context_pb2.SourceContext(file_name="x"))
    assert leaves(field) == {"name": "a b", "source_context.file_name": "x"}
    assert same_variables(field, {"name": "a b", "source_context.file_name": "x", "edition": ""}) == ""
    assert "besides" in same_variables(field, {"name": "a b"})
    assert "not" in same_variables(field, {"name": "a%20b", "source_context.file_name": "x"})


def test_rules_in_words() -> None:
    sent = Sent(Request("POST", "/"), fill="fff", data=b"ddd")
    message = type_pb2.Type(name="1", edition="fff")
    assert rule_problem("name='1', edition is the fill", message, sent) == ""
    assert rule_problem("name equals the single character with that code", type_pb2.Type(name="fff"), sent) == ""
    assert "name is" in rule_problem("name='2'", message, sent)
    assert "edition is" in rule_problem("edition is the fill", type_pb2.Type(), sent)
    assert rule_problem("value equals the bytes", wrappers_pb2.BytesValue(value=b"ddd"), sent) == ""
    assert "value is" in rule_problem("value equals the bytes", wrappers_pb2.BytesValue(value=b"dd"), sent)
    assert rule_problem("name text/plain", type_pb2.Type(name="text/plain"), sent) == ""
    assert "unknown rule" in rule_problem("all is well", message, sent)


def test_refusals() -> None:
    outcome = {"error": "INVALID_ARGUMENT", "http_status": 400}
    assert refused(outcome, observed(answer('{"code":3,"message":"m"}', 400))) == ""
    assert "code is 5" in refused(outcome, observed(answer('{"code":5}', 400)))
    assert "no body" in refused(outcome, observed(answer("", 400)))
    assert "no JSON" in refused(outcome, observed(answer("<html>", 400)))
    assert "none of [400]" in refused(outcome, observed(answer('{"code":3}', 500)))
    assert "cut off" in refused(outcome, observed(answer('{"code":3}', 400, complete=False)))
    assert "not refused" in refused({"error": "INVALID_ARGUMENT"}, observed(answer('{"code":3}')))
    assert refused({"http_status": 499}, observed(answer("", 499))) == ""
    assert "code is 2" in refused({"grpc_code": 14}, observed(answer('{"code":2}', 500)))


def test_content_types() -> None:
    plain = answer(kind="application/json; charset=utf-8")
    assert content_type({"content_type_media": "application/json"}, plain) == ""
    assert content_type({"content_type": "application/json"}, plain)
    assert content_type({"content_type_any_of": ["application/json-seq"]}, plain)
    assert content_type({"content_type": "text/html"}, answer(kind="text/html")) == ""


def test_bodies() -> None:
    assert body({"body_json": "1"}, answer('"1"')) == ""
    assert body({"body_json": "1"}, answer("1"))
    assert body({"body_json": None}, answer("null")) == ""
    with pytest.raises(ValueError, match="Expecting"):
        body({"body_json": None}, answer(""))
    assert body({"body_json_lines": [{}, {"a": 1}]}, answer('{}\n{"a":1}\n')) == ""
    assert body({"body_json_lines": [{}]}, answer("{}\n{}\n"))
    assert body({"body_json_lines_last": {"error": {"code": 3}}}, answer('{}\n{"error":{"code":3,"message":""}}')) == ""
    assert body({"body_text": ""}, answer("", kind="")) == ""
    assert body({"body_text": "a"}, answer("b", kind="text/plain"))
    assert body({"body_base64": "AAE="}, answer(b"\0\x01")) == ""
    assert body({"body_base64": "AAE="}, answer(b"\0"))
    assert lines(answer('\x1e{"a":1}\n')) == [{"a": 1}]


def test_lengths() -> None:
    stated = answer('{"id":"1"}')
    stated.headers.append(("content-length", "10"))
    assert problem_of_length(stated, 10) == ""
    assert "not 11" in problem_of_length(stated, 11)
    assert "the body has 2 bytes" in problem_of_length(Answer(200, [("content-length", "3")], b"{}"), 2)


def test_an_expectation_that_is_not_known_fails() -> None:
    seen = observed(answer("{}"))
    assert any_of(lambda _: "", [{"http_status": 200}], seen) == ""
    assert "unknown expectations: mood" in any_of(lambda _: "", [{"http_status": 200, "mood": "good"}], seen)
    assert any_of(lambda _: "", [{"mood": "good"}, {"http_status": 200}], seen) == ""


def test_event_streams_are_compared_by_the_data_of_their_events() -> None:
    expected = 'data: {"a":"1"}\n\ndata: {"a":"2"}\n\n'
    numbered = 'id: 1\ndata: {"a": "1"}\n\n: heartbeat\n\nid: 2\ndata: {"a": "2"}\n\nevent: end\ndata: {}\n\n'
    assert same_text(answer(numbered, kind="text/event-stream"), expected) == ""
    assert same_text(answer('data: {"a":"1"}\n\n', kind="text/event-stream"), expected)
    assert same_text(answer('data: {"a":"2"}\n\ndata: {"a":"1"}\n\n', kind="text/event-stream"), expected)
    for wrong in ("data: {}\n", "data: {\ndata: }\n\n", "{}\n\n"):
        with pytest.raises(ValueError, match=r".+"):
            events(wrong)


def test_a_failure_within_a_stream_has_to_be_visible() -> None:
    corpus = load()
    case = next(case for case in corpus.of("response") if "failure is visible" in str(case.raw["expect"]))
    checker = Checker(pool(Schemas(corpus.schemas), [case]))

    def problem(text: str, *, complete: bool = True) -> str:
        return checker.response(case, case.raw["expect"], observed(answer(text, complete=complete)), methods(case))

    assert problem('{"id":"One"}\n{"error":{"code":11}}\n') == ""
    assert problem('{"id":"One"}\n{"code":11,"message":"400"}\n') == ""
    assert problem('{"id":"One"}\n', complete=False) == ""
    assert "looks complete" in problem('{"id":"One"}\n')
    assert "before the failure" in problem('{"error":{"code":11}}\n')


def test_conditions_of_the_corpus_are_known_and_others_are_not() -> None:
    for case in load().of("error_status"):
        assert scene(case.raw["condition"]) is not None, case.raw["condition"]
    assert scene("the moon is full") is None


def test_acceptance_of_a_timeout() -> None:
    good, bad, late = (observed(answer("{}", status)) for status in (200, 400, 504))
    assert check("grpc-timeout: 19M", {"accepted": True}, good) == ""
    assert check("grpc-timeout: 19M", {"accepted": True}, bad)
    assert check("grpc-timeout: 19M", {"accepted": True}, late)
    assert check("grpc-timeout: 0S", {"accepted": True}, late) == ""
    assert check("grpc-timeout: x", {"accepted": False}, bad) == ""
    assert check("grpc-timeout: x", {"accepted": False}, good)


def test_headers_that_grpc_cannot_carry_are_left_out_or_encoded() -> None:
    outcome = {"http_status": 200, "rule": "header left out, call goes through"}
    fine = Call("M0", [("x-corpus-plain", "plain"), ("x-raw-bin", b"\xff")])
    assert check("", outcome, observed(answer("{}"), fine)) == ""
    odd = Call("M0", [("x-corpus-plain", "plain"), ("x!corpus~key", "plain")])
    assert "x!corpus~key" in check("", outcome, observed(answer("{}"), odd))
    assert "not passed on" in check("", outcome, observed(answer("{}"), Call("M0", [])))
    assert "unknown rule" in check("", {"rule": "whatever"}, observed(answer("{}")))


def test_matches() -> None:
    case = Case(
        3,
        {
            "id": "x",
            "kind": "path_match",
            "normative": "must",
            "templates": [
                {"key": "A", "method": "GET", "template": "/{x}"},
                {"key": "B", "method": "GET", "template": "/b"},
            ],
        },
    )
    checker = Checker(pool(Schemas({"messages": {}, "enums": {}}), [case]))
    message = checker.message("corpus.c3.M0Message", b"\x0a\x01v")
    call = Call("M0", [], [message.SerializeToString()])
    found = methods(case)
    assert checker.match(case, {"match": "A", "vars": {"x": "v"}}, observed(answer("{}"), call), found) == ""
    assert "not" in checker.match(case, {"match": "A", "vars": {"x": "w"}}, observed(answer("{}"), call), found)
    assert "A was matched, not B" in checker.match(
        case, {"match": "B", "vars": {}}, observed(answer("{}"), call), found
    )
    assert checker.match(case, {"match": None}, observed(answer("{}", 404)), found) == ""
    assert "none of [404]" in checker.match(case, {"match": None}, observed(answer("{}", 500)), found)
    assert "was matched" in checker.match(case, {"match": None}, observed(answer("{}"), call), found)
