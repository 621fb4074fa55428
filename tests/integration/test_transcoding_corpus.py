"""Every case of the transcoding corpus through a running gateway; the variable `CORPUS` names another file.

Extensions that are not offered (tests/corpus/features.py) are named in the summary and have no test here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.corpus.cases import Case, load
from tests.corpus.features import missing
from tests.corpus.report import Outcome, Result, summary
from tests.corpus.runner import run

CORPUS = load()

pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def results(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Result]]:
    """What became of each case, by its id."""
    folder: Path = tmp_path_factory.mktemp("corpus")
    yield {result.case.id: result for result in await run(CORPUS, folder)}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CORPUS.cases if not missing(case)])
def test_case(case: Case, results: dict[str, Result]) -> None:
    result = results[case.id]
    assert result.outcome is Outcome.PASSED, f"{case.kind} {case.normative}: {result.reason}"


def test_every_other_case_is_an_extension_that_is_not_offered(
    results: dict[str, Result], capsys: pytest.CaptureFixture[str]
) -> None:
    skipped = [result.case for result in results.values() if result.outcome is Outcome.SKIPPED]
    with capsys.disabled():
        print("", *summary(list(results.values())), sep="\n")  # noqa: T201 - the table is wanted in every run
    assert len(results) == len(CORPUS.cases)
    assert {case.normative for case in skipped} <= {"extension"}


MESSAGE = {"fields": [{"name": "text", "number": 1, "type": "string"}, {"name": "other", "number": 2, "type": "p.M"}]}
GET = {"method": "GET", "template": "/r"}
ASKED = {"method": "GET", "path": "/r", "query": "text=a"}


def matched(template: str, expected: str) -> dict[str, Any]:
    return {
        "kind": "path_match",
        "templates": [{"key": "T", "method": "GET", "template": template}],
        "request": {"method": "GET", "path": "/a/b"},
        "expect": {"match": "T", "vars": {"x": expected}},
    }


def bound(expected: str) -> dict[str, Any]:
    return {
        "kind": "query_binding",
        "message": "p.M",
        "http": GET,
        "request": ASKED,
        "expect": {"json": {"text": expected}},
    }


def answered(expected: str) -> dict[str, Any]:
    return {
        "kind": "response",
        "message": "p.M",
        "http": GET,
        "upstream": {"messages": [{"text": "a"}], "grpc_status": 0},
        "expect": {"body_json": {"text": expected}},
    }


RIGHT: list[dict[str, Any]] = [
    matched("/a/{x}", "b"),
    bound("a"),
    answered("a"),
    {"kind": "status_map", "grpc_code": 5, "expect": {"http_status": 404}},
    {"kind": "status_map", "direction": "http_to_grpc", "http_status": 503, "expect": {"grpc_code": 14}},
    {"kind": "error_status", "condition": "grpc-timeout: 5S", "expect": {"accepted": True}},
    {"kind": "bad_template", "template": "/a/{", "expect": {"accept": False}},
    {"kind": "good_template", "template": "/a/{x}", "expect": {"accept": True}},
]
WRONG: list[tuple[dict[str, Any], str]] = [
    (matched("/a/{x}", "c"), 'x is "b", not "c"'),
    (matched("/c/{x}", "b"), "the status is not 200"),
    (matched("/a/{x", "b"), "refused when loaded"),
    (matched("/a/{y}", "b"), "lacks 'x'"),
    (bound("b"), 'text is "a", not "b"'),
    (answered("b"), 'text is "a", not "b"'),
    ({"kind": "status_map", "grpc_code": 5, "expect": {"http_status": 400}}, "none of [400]"),
    (
        {"kind": "status_map", "direction": "http_to_grpc", "http_status": 503, "expect": {"grpc_code": 2}},
        "code is 14, not 2",
    ),
    ({"kind": "error_status", "condition": "grpc-timeout: 5S", "expect": {"accepted": False}}, "says otherwise"),
    ({"kind": "error_status", "condition": "the moon is full", "expect": {}}, "unknown condition: the moon"),
    ({"kind": "bad_template", "template": "/a/{x}", "expect": {"accept": False}}, "it was accepted"),
    ({"kind": "good_template", "template": "/a/{", "expect": {"accept": True}}, "INVALID_ARGUMENT"),
    ({"kind": "telepathy", "expect": {}}, "unknown kind telepathy"),
    ({**bound("a"), "message": "p.Missing"}, "no type p.Missing"),
    ({**bound("a"), "options": {"warp": 9}}, "unknown options warp"),
]


async def run_all(cases: list[dict[str, Any]], folder: Path) -> list[Result]:
    file = folder / "corpus.json"
    numbered = [{"id": f"case-{number}", "normative": "must", **case} for number, case in enumerate(cases)]
    file.write_text(json.dumps({"schemas": {"messages": {"p.M": MESSAGE}, "enums": {}}, "cases": numbered}))
    return await run(load(file), folder)


async def test_another_file_is_run_and_what_is_wrong_in_it_is_found(tmp_path: Path) -> None:
    """The cases above would all pass if the runner looked at nothing: here it has to tell right from wrong."""
    extension = {**bound("a"), "normative": "extension", "requires": ["teleportation"]}
    found = await run_all([*RIGHT, *(case for case, _ in WRONG), extension], tmp_path)
    right, wrong, skipped = found[: len(RIGHT)], found[len(RIGHT) : -1], found[-1]
    assert [result.reason for result in right if result.outcome is not Outcome.PASSED] == []
    for result, (_, words) in zip(wrong, WRONG, strict=True):
        assert result.outcome is Outcome.FAILED, result.case.raw
        assert words in result.reason
    assert (skipped.outcome, skipped.reason) == (Outcome.SKIPPED, "teleportation")
