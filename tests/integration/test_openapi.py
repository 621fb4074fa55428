"""The OpenAPI documents of a running gateway: served where they should be, and true of what the gateway does."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.conftest import learn
from tests.support.gateway import Gateway, route, upstream
from tests.support.processes import ROOT, python
from tests.transcoding.openapi.described import BEYOND_SCHEMAS, assert_valid, operation, operations

pytestmark = pytest.mark.timeout(120)

SERVICE = "bookstore.v1.BookstoreService"
TIMEOUT = 20.0

REAL = {"shelf": "fiction", "book": "middlemarch"}
"""What the bookstore has: half of the cases are about these, but for DELETE."""

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def bookstore() -> Iterator[str]:
    """The address of a bookstore."""
    command = python("examples.bookstore.server", "--port", "0")
    with subprocess.Popen(
        command, cwd=ROOT, env={"PYTHONPATH": f"{ROOT}/examples/bookstore:{ROOT}"}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture(scope="module")
def shop(bookstore: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of it. Streams that would go on for ever end."""
    shown = route("shown", SERVICE, "bookstore", transcoding={"openapi": True}, stream_timeout="300ms")
    hidden = route("hidden", SERVICE, "bookstore", transcoding={})
    hidden["matches"][0]["hosts"] = ["hidden.example.com"]
    named = route("named", SERVICE, "bookstore", transcoding={"openapi": True, "json": {"proto_field_names": True}})
    named["matches"][0]["hosts"] = ["*.named.example.com"]
    shown["matches"][0]["hosts"] = ["127.0.0.1"]
    configuration = {"upstreams": [upstream("bookstore", bookstore)], "routes": [shown, hidden, named]}
    with Gateway("openapi", tmp_path_factory.mktemp("openapi"), configuration) as gateway:
        learn(gateway.admin, SERVICE)
        yield gateway


def get(gateway: Gateway, host: str = "", **headers: str) -> requests.Response:
    if host:
        headers["host"] = host
    return requests.get(f"http://{gateway.http}/openapi.json", headers=headers, timeout=TIMEOUT)


@pytest.fixture(scope="module")
def document(shop: Gateway) -> Any:
    """The document of the bookstore, as the gateway serves it."""
    answer = get(shop)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_document_is_served_and_valid(shop: Gateway, document: Any) -> None:
    assert_valid(document)
    assert len(list(operations(document))) == 19
    answer = get(shop)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    again = get(shop, **{"if-none-match": f'"other", W/{answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    head = requests.head(f"http://{shop.http}/openapi.json", timeout=TIMEOUT)
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(answer.content))


def test_hosts_see_the_routes_that_take_them(shop: Gateway) -> None:
    for host in ("hidden.example.com", "other.example.com"):
        answer = get(shop, host)
        assert answer.status_code == 404
        assert answer.json()["details"][0]["reason"] == "NO_ROUTE"
    named = get(shop, "a.named.example.com").json()
    assert "page_size" in {one["name"] for one in operation(named, "BookstoreService_ListBooks")["parameters"]}
    other = requests.post(f"http://{shop.http}/openapi.json", timeout=TIMEOUT)
    assert other.status_code == 404


def test_asking_for_the_document_is_counted_and_settled(shop: Gateway) -> None:
    def info() -> Any:
        return requests.get(f"http://{shop.admin_http}/v1/server", timeout=TIMEOUT).json()

    before = int(info()["totalCalls"])
    get(shop)
    after = info()
    assert int(after["totalCalls"]) == before + 1
    assert "activeCalls" not in after


def test_the_gateway_api_is_described_on_its_own_port(shop: Gateway) -> None:
    served = requests.get(f"http://{shop.admin_http}/openapi.json", timeout=TIMEOUT).json()
    assert_valid(served)
    assert served["info"] == {"title": "Gateway API", "version": "v1"}
    printed = subprocess.run(python("edge.cli", "openapi", "--gateway-api"), cwd=ROOT, capture_output=True, check=True)
    assert json.loads(printed.stdout) == served


@pytest.mark.parametrize(("arguments", "status"), [(["--route", "shown"], 200), ([], 200), (["--route", "shwon"], 404)])
def test_the_command_prints_what_a_running_gateway_offers(
    shop: Gateway, document: Any, arguments: list[str], status: int
) -> None:
    command = python("edge.cli", "openapi", "--address", shop.admin, *arguments)
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if status == 404:
        assert printed.returncode == 4
        assert b"did you mean `routes/shown`?" in printed.stderr
        return
    assert printed.returncode == 0, printed.stderr
    made = json.loads(printed.stdout)
    assert_valid(made)
    if arguments:
        assert made == document
    answer = requests.get(
        f"http://{shop.admin_http}/v1/openapi",
        params={"route": "routes/shown"} if arguments else {},
        timeout=TIMEOUT,
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == made


def each_case(address: str, document: Any, mode: GenerationMode, check: Any, most: int = 10) -> Counter[int]:
    """Send cases of every operation, hand each answer to `check`, and return the statuses."""
    schema = schemathesis.openapi.from_dict(document)
    statuses: Counter[int] = Counter()
    session = requests.Session()
    for path, verb, _ in operations(document):
        for overrides in ({}, REAL):
            wanted = {name: value for name, value in overrides.items() if f"{{{name}}}" in path}
            if overrides and (not wanted or verb == "delete"):
                continue
            strategy = schema[path][verb.upper()].as_strategy(mode, path_parameters=wanted or None)

            @seed(7)
            @settings(
                max_examples=most,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def send(case: Case[Any]) -> None:
                answer = case.call(base_url=f"http://{address}", session=session, timeout=TIMEOUT)
                statuses[answer.status_code] += 1
                check(case, answer)

            # there is no wrong text
            with contextlib.suppress(Unsatisfiable):
                send()
    return statuses


@pytest.mark.parametrize("mode", GenerationMode)
def test_the_gateway_api_keeps_its_document(tmp_path: Path, mode: GenerationMode) -> None:
    """Its own answers, whatever is sent: what is refused as not available yet (501) is all that may fail."""

    def check(case: Case[Any], answer: Any) -> None:
        case.validate_response(answer, checks=[one for one in CHECKS if one is not not_a_server_error])
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        if mode is GenerationMode.POSITIVE and refused_here(answer):
            assert BEYOND_SCHEMAS.search(answer.text), answer.text

    with Gateway("changed", tmp_path) as gateway:
        made = requests.get(f"http://{gateway.admin_http}/openapi.json", timeout=TIMEOUT).json()
        for path, verb, found in list(operations(made)):
            if "application/x-ndjson" in found["responses"]["200"]["content"]:
                del made["paths"][path][verb]  # they have no end
        statuses = each_case(gateway.admin_http, made, mode, check, most=3)
    assert statuses[200 if mode is GenerationMode.POSITIVE else 400] > 5, statuses


def test_what_the_document_allows_is_understood(shop: Gateway, document: Any) -> None:
    """Nothing that fits the document is refused by the transcoder, and every answer is one that it promises."""

    def check(case: Case[Any], answer: Any) -> None:
        case.validate_response(answer, checks=CHECKS)
        if refused_here(answer):
            assert BEYOND_SCHEMAS.search(answer.text), answer.text

    statuses = each_case(shop.http, document, GenerationMode.POSITIVE, check)
    assert statuses[200] > 50, statuses


VIOLATION = re.compile(r"violates `(\w+)`(?: at /properties/(\w+))?")
"""How schemathesis says what it made wrong: the keyword, and where."""

FREEDOMS = {
    ("pattern", "updateMask"),  # what a mask names is for the service to check
    ("type", "subjects"),  # in a query a list of one text is a text
}
"""What schemathesis takes for wrong and the gateway hands on; and `required`, which the service checks, too."""


def refused_here(answer: Any) -> bool:
    """Whether the gateway refused a request, and not the service."""
    if answer.status_code < 400:
        return False
    return answer.json()["details"][0].get("reason") in ("TRANSCODING_FAILED", "NO_ROUTE")


def has_null(tree: Any) -> bool:
    """Whether null is somewhere in a body, which stands for a field that is not set."""
    if isinstance(tree, dict | list):
        return any(has_null(one) for one in (tree.values() if isinstance(tree, dict) else tree))
    return tree is None


def is_hollow(value: Any) -> bool:
    """Whether a value of a query leaves nothing in the URL."""
    return value in ([], {}) or (isinstance(value, list) and all(is_hollow(one) for one in value))


def test_what_the_document_forbids_is_refused(shop: Gateway, document: Any) -> None:
    """What is not of the document gets a 4xx, or is one of the freedoms that the ProtoJSON mapping gives to writers."""

    def check(case: Case[Any], answer: Any) -> None:
        case.validate_response(answer, checks=CHECKS)
        if not refused_here(answer):
            assert case.meta is not None
            made = VIOLATION.findall(str(case.meta.phase.data.description))
            wrong = [one for one in made if one not in FREEDOMS and one[0] != "required"]
            if any(is_hollow(value) for value in (case.query or {}).values()):
                wrong = [one for one in wrong if one[0] != "additionalProperties"]  # nothing of it is sent
            assert not wrong or has_null(case.body), (wrong, case.query, case.body, answer.text)

    statuses = each_case(shop.http, document, GenerationMode.NEGATIVE, check)
    assert statuses[400] > 50, statuses
