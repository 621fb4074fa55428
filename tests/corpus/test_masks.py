from __future__ import annotations

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from tests.corpus.backend import Call
from tests.corpus.cases import Case, Json
from tests.corpus.checks import Checker, Observed
from tests.corpus.descriptors import Schemas
from tests.corpus.http1 import Answer, Request
from tests.corpus.requests import Sent
from tests.corpus.runner import pool
from tests.corpus.services import methods

TEXT = {"name": "text", "number": 1, "type": "string"}
SCHEMAS = Schemas(
    {
        "messages": {
            "p.Update": {
                "fields": [
                    {"name": "thing", "number": 1, "type": "p.Thing"},
                    {"name": "update_mask", "number": 2, "type": "google.protobuf.FieldMask"},
                ]
            },
            "p.Thing": {
                "fields": [
                    TEXT,
                    {"name": "big_part", "number": 2, "type": "p.Thing"},
                    {"name": "many", "number": 3, "type": "p.Thing", "label": "repeated"},
                    {"name": "when", "number": 4, "type": "google.protobuf.Timestamp"},
                ]
            },
        },
        "enums": {},
    }
)
BODY = b'{"text":"a","bigPart":{"text":"b","big_part":{}},"many":[{}],"when":null,"unknown":1}'
PATHS = ["text", "big_part.text", "big_part.big_part", "many", "when"]
EXPECTED = {"thing": {"text": "a"}}


def problem(paths: list[str], expected: Json, method: str = "PATCH") -> str:
    http = {"method": method, "template": "/b", "body": "thing"}
    raw = {"id": "x", "kind": "body_binding", "normative": "must", "message": "p.Update", "http": http}
    case = Case(0, raw)
    checker = Checker(pool(SCHEMAS, [case]))
    message: Message = checker.message("p.Update", b"")
    json_format.ParseDict(EXPECTED, message, descriptor_pool=checker.pool)
    if paths:
        message.update_mask.paths.extend(paths)  # type: ignore[attr-defined] # it is in the schema
    seen = Observed(
        Sent(Request(method, "/b", (), BODY)),
        Answer(200, [], b"{}", True),
        [Call("M0", [], [message.SerializeToString()])],
    )
    return checker.binding(case, {"json": expected}, seen, methods(case))


def test_a_mask_of_what_the_body_names_is_no_difference() -> None:
    assert problem(PATHS, EXPECTED) == ""
    assert problem([], EXPECTED) == ""


@pytest.mark.parametrize("paths", [PATHS[1:], [*PATHS, "unknown"], ["thing.text"]])
def test_another_mask_is(paths: list[str]) -> None:
    assert "update_mask is" in problem(paths, EXPECTED)


def test_a_mask_counts_where_the_case_speaks_of_it_and_on_other_verbs() -> None:
    assert problem(PATHS, {**EXPECTED, "updateMask": "text"})
    assert problem(["text"], {**EXPECTED, "updateMask": "text"}) == ""
    assert problem(PATHS, EXPECTED, "POST")
