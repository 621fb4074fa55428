"""REST through a running gateway: what goes up, what comes down, and what a route may say about it."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.integration.conftest import learn
from tests.support.echo import ECHO, EchoServer
from tests.support.gateway import Gateway, route, upstream
from tests.support.processes import Process
from tests.support.rpc import eventually

JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def echo() -> AsyncIterator[EchoServer]:
    async with EchoServer() as server:
        yield server


def on_host(name: str, transcoding: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    """Return a route of a host of its own, `NAME.test`."""
    made = route(name, ECHO, "echo", **more)
    made["matches"][0]["hosts"] = [f"{name}.test"]
    if transcoding is not None:
        made["transcoding"] = transcoding
    return made


def configuration(address: str) -> dict[str, Any]:
    rules = [
        {"selector": f"{ECHO}.Plain", "get": "/plain/{name}", "additional_bindings": [{"post": "/plain", "body": "*"}]},
        {"selector": f"{ECHO}.Get", "get": "/other/{name=items/*}"},
    ]
    return {
        "server": {"limits": {"max_message_bytes": 1_000_000}},
        "upstreams": [upstream("echo", address), upstream("down", "127.0.0.1:1", reflection={"disabled": True})],
        "policies": [
            {
                "name": "policies/headers",
                "header": {"request": {"set": {"x-set": "by policy"}}, "response": {"set": {"x-answer": "ours"}}},
            },
            {"name": "policies/cors", "cors": {"allow_origins": ["https://shop.example.com"]}},
        ],
        "routes": [
            route("echo", ECHO, "echo", transcoding={}, policies=["policies/cors"]),
            on_host("rules", {"rules": rules, "rpc_paths": True}),
            on_host("warn", {"strictness": "WARN"}),
            on_host("lenient", {"strictness": "LENIENT", "ignored_query_parameters": ["key"]}),
            on_host("ignoring", {"ignored_query_parameters": ["key"], "disable_update_mask": True}),
            on_host("json", {"json": {"proto_field_names": True, "print_defaults": True, "enums_as_numbers": True}}),
            on_host("stripped", {"json": {"strip_enum_prefix": True}}),
            on_host("grpc-only", None),
            on_host("no-rest", {"disabled_protocols": ["REST"]}),
            on_host("timed", {}, timeout="0.2s", stream_timeout="0.3s"),
            on_host("waiting", {}, timeout="0.4s"),
            on_host("beating", {"streams": {"heartbeat_interval": "0.05s"}}),
            on_host("headers", {}, policies=["policies/headers"]),
            on_host("small", {}, max_request_message_bytes=100, max_response_message_bytes=100),
            {
                "name": "routes/direct",
                "matches": [{"hosts": ["direct.test"]}],
                "direct_response": {"code": 14, "message": "closed for today"},
            },
            {
                "name": "routes/page",
                "matches": [{"http": {"path": "/pages/own"}}],
                "direct_response": {"code": 0, "message": "a page of its own"},
            },
            {
                "name": "routes/moved",
                "matches": [{"http": {"path": "/old/{name}"}}],
                "redirect": {"path": "/v1/items/{name}", "status": 308},
            },
        ],
    }


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def served(echo: EchoServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    gateway = Gateway("rest-gateway", tmp_path_factory.mktemp("rest"), configuration(echo.address))
    try:
        await asyncio.to_thread(gateway.start)
        await asyncio.to_thread(learn, gateway.admin, ECHO)
        yield gateway
    finally:
        await asyncio.to_thread(gateway.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def http(served: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(f"http://{served.http}", timeout=timeout, auto_decompress=False) as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, verb: str, path: str, *, host: str = "", **more: Any
) -> tuple[int, Any, aiohttp.ClientResponse]:
    """Send a request and return status, body as JSON, and the answer."""
    headers = {**more.pop("headers", {}), **({"host": f"{host}.test"} if host else {})}
    async with http.request(verb, path, headers=headers, allow_redirects=False, **more) as answer:
        body = await answer.read()
        kind = answer.headers.get("content-type", "")
        return answer.status, json.loads(body) if body and kind == "application/json" else body, answer


def violations(body: Any) -> dict[str, str]:
    """Return what a status says is wrong with which field."""
    found = [detail for detail in body["details"] if detail["@type"].endswith("BadRequest")]
    return {entry["field"]: entry["description"] for entry in found[0]["fieldViolations"]}


# === requests ===


async def test_path_and_query_become_the_message(http: aiohttp.ClientSession) -> None:
    query = "title=A%20b&big=9007199254740993&kind=KIND_SMALL&tags=x&tags=y&inner.text=t&inner.labels[env]=prod"
    status, body, answer = await ask(http, "GET", f"/v1/items/a?{query}")
    assert status == 200
    assert body == {
        "name": "items/a",
        "title": "A b",
        "big": "9007199254740993",
        "kind": "KIND_SMALL",
        "tags": ["x", "y"],
        "inner": {"text": "t", "labels": {"env": "prod"}},
    }
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-echo"] == "Get"
    assert answer.headers["trailer-x-trailer"] == "last"


async def test_a_body_field_and_the_query_beside_it(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    status, body, _ = await ask(http, "POST", "/v1/items?item_id=7", json={"title": "T", "count": 3})
    assert (status, body) == (200, {"title": "T", "count": 3}), "response_body is the item alone"
    assert str(echo.requests[0]) == 'item_id: "7"\nitem {\n  title: "T"\n  count: 3\n}\n'


async def test_the_whole_body_with_the_path(http: aiohttp.ClientSession) -> None:
    status, body, _ = await ask(http, "PUT", "/v1/items/a", json={"name": "items/ignored", "title": "T"})
    assert (status, body) == (200, {"name": "items/a", "title": "T"})


@pytest.mark.parametrize(
    ("body", "mask"),
    [
        ({"title": "T"}, "title"),
        ({"title": "", "count": 0}, "title,count"),
        ({"inner": {"text": "t", "labels": {"a": "b"}}}, "inner.text,inner.labels"),
        ({"inner": None, "tags": []}, "inner,tags"),
        ({"inner": {}}, "inner"),
    ],
)
async def test_a_patch_gets_the_mask_of_what_its_body_mentions(
    http: aiohttp.ClientSession, body: dict[str, Any], mask: str
) -> None:
    status, found, _ = await ask(http, "PATCH", "/v1/items/a", json=body)
    assert (status, found["updateMask"]) == (200, mask)


async def test_a_mask_of_the_callers_own_is_kept(http: aiohttp.ClientSession) -> None:
    _, found, _ = await ask(http, "PATCH", "/v1/items/a?update_mask=count", json={"title": "T"})
    assert found["updateMask"] == "count"


async def test_a_route_can_do_without_the_automatic_mask(http: aiohttp.ClientSession) -> None:
    _, found, _ = await ask(http, "PATCH", "/v1/items/a", host="ignoring", json={"title": "T"})
    assert "updateMask" not in found


async def test_a_verb_of_ones_own(http: aiohttp.ClientSession) -> None:
    status, body, _ = await ask(http, "PROPFIND", "/v1/items?title=T")
    assert (status, body) == (200, {"title": "T"})


async def test_gzip_is_undone(http: aiohttp.ClientSession) -> None:
    data = gzip.compress(json.dumps({"title": "T"}).encode())
    headers = {**JSON, "content-encoding": "gzip"}
    status, body, _ = await ask(http, "PUT", "/v1/items/a", data=data, headers=headers)
    assert (status, body) == (200, {"name": "items/a", "title": "T"})


async def test_headers_become_metadata(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    headers = {"x-a": "1", "X-Data-Bin": "AQID", "authorization": "Bearer t", "x-broken-bin": "!", "accept": "*/*"}
    status, _, _ = await ask(http, "GET", "/v1/items/a", headers=headers)
    assert status == 200
    assert echo.values("x-a") == ["1"]
    assert echo.values("x-data-bin") == [b"\1\2\3"]
    assert echo.values("authorization") == ["Bearer t"]
    assert not echo.values("x-broken-bin")
    assert echo.values("x-forwarded-for") == ["127.0.0.1"]
    assert not any(echo.values(name) for name in ("content-length", "connection", "host", "accept-encoding"))


# === what is refused ===


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/v1/items/a?titel=T", None, "titel", "did you mean `title`?"),
        ("/v1/items/a?count=many", None, "count", "`many`"),
        ("/v1/items/a?count=3000000000", None, "count", "3000000000"),
        ("/v1/items/a", {"titel": "T"}, "titel", "did you mean `title`?"),
        ("/v1/items/a", {"inner": {"text": 1}}, "inner.text", "string"),
        ("/v1/items/a", {"kind": "KIND_SMAL"}, "kind", "did you mean `KIND_SMALL`?"),
        ("/v1/items/a", {"tags": ["a", None]}, "tags[1]", "null"),
    ],
)
async def test_input_that_does_not_fit_is_refused_at_its_field(
    http: aiohttp.ClientSession, path: str, body: Any, field: str, words: str
) -> None:
    verb, more = ("GET", {}) if body is None else ("PUT", {"json": body})
    status, found, _ = await ask(http, verb, path, **more)
    assert (status, found["code"]) == (400, 3)
    assert words in violations(found)[field]
    assert found["details"][0]["reason"] == "TRANSCODING_FAILED"


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"{", "line 1"), (b'{"title": "a", "title": "b"}', "title"), (b"null", "null"), (b"[]", ""), (b"\xff", "")],
)
async def test_a_body_that_is_no_message_is_refused(http: aiohttp.ClientSession, data: bytes, words: str) -> None:
    status, found, _ = await ask(http, "PUT", "/v1/items/a", data=data, headers=JSON)
    assert (status, found["code"]) == (400, 3)
    assert words in found["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_body_that_a_page_could_send_unasked_is_refused(http: aiohttp.ClientSession, kind: str) -> None:
    status, found, _ = await ask(http, "PUT", "/v1/items/a", data=b"{}", headers={"content-type": kind})
    assert (status, found["code"]) == (415, 12)
    assert "application/json" in found["message"]


async def test_a_path_with_another_verb_is_refused_with_those_that_would_do(http: aiohttp.ClientSession) -> None:
    status, found, answer = await ask(http, "DELETE", "/v1/items/a")
    assert (status, found["code"]) == (405, 12)
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"


async def test_a_path_nobody_takes_is_not_found_and_the_nearest_is_named(http: aiohttp.ClientSession) -> None:
    status, found, _ = await ask(http, "GET", "/v1/item/a")
    assert (status, found["code"], found["details"][0]["reason"]) == (404, 12, "NO_ROUTE")
    assert "did you mean /v1/items?" in found["message"]


async def test_dot_segments_are_refused(served: Gateway) -> None:
    for target in ("/v1/../v1/items/a", "/./v1/items/a"):
        status, body = await raw(served.http, f"GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert status == 400
        assert b"segments" in body


@pytest.mark.parametrize("value", ["INVALID", "1", "-1S", "123456789S"])
async def test_a_malformed_timeout_is_refused(http: aiohttp.ClientSession, value: str) -> None:
    status, found, _ = await ask(http, "GET", "/v1/items/a", headers={"grpc-timeout": value})
    assert (status, found["code"]) == (400, 3)
    assert "grpc-timeout" in found["message"]


@pytest.mark.parametrize("name", ["grpc-timeout", "x-server-timeout", "request-timeout"])
async def test_the_callers_deadline_holds(http: aiohttp.ClientSession, echo: EchoServer, name: str) -> None:
    echo.cancelled.clear()
    headers = {"x-hang": "1", name: "200m" if name == "grpc-timeout" else "0.2"}
    status, found, _ = await ask(http, "GET", "/v1/items/a", headers=headers)
    assert (status, found["code"]) == (504, 4)
    async with asyncio.timeout(5):
        await echo.cancelled.wait()


@pytest.mark.parametrize(("name", "value"), [("grpc-timeout", "0S"), ("grpc-timeout", "1n"), ("request-timeout", "0")])
async def test_a_deadline_that_has_passed_is_not_tried(http: aiohttp.ClientSession, name: str, value: str) -> None:
    status, found, _ = await ask(http, "GET", "/v1/items/a", headers={name: value})
    assert (status, found["code"]) == (504, 4)


@pytest.mark.parametrize(
    ("host", "limit", "words"),
    [("", {"grpc-timeout": "400m"}, "the caller's deadline has passed"), ("waiting", {}, "route timeout of")],
)
async def test_the_time_that_a_body_takes_is_not_given_to_the_upstream(
    http: aiohttp.ClientSession, host: str, limit: dict[str, str], words: str
) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"title":'
        await asyncio.sleep(0.25)
        yield b'"a"}'

    began = time.monotonic()
    headers = {**JSON, **limit, "x-hang": "1"}
    status, found, _ = await ask(http, "PUT", "/v1/items/a", host=host, headers=headers, data=slowly())
    assert (status, found["code"]) == (504, 4)
    assert words in found["message"]
    assert time.monotonic() - began < 0.6, "it would be 0.65 s if the upstream got all of 0.4 s"


async def test_a_body_that_never_ends_ends_with_the_time_of_the_call(http: aiohttp.ClientSession) -> None:
    over = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        yield b'{"title":'
        await over.wait()

    for path, kind in (("/v1/items/a", "application/json"), (f"/{ECHO}/Get", "application/json")):
        headers = {"content-type": kind, "grpc-timeout": "100m"}
        verb = "PUT" if path.startswith("/v1") else "POST"
        async with asyncio.timeout(5), http.request(verb, path, headers=headers, data=never()) as answer:
            assert answer.status == 504
    over.set()


async def test_large_requests_and_answers_are_refused_with_the_limit(http: aiohttp.ClientSession) -> None:
    status, found, _ = await ask(http, "PUT", "/v1/items/a", host="small", json={"title": "x" * 200})
    assert (status, found["code"]) == (413, 8)
    assert "max_request_message_bytes of routes/small" in found["message"]
    headers = {"x-size": "200"}
    status, found, _ = await ask(http, "GET", "/v1/items/a", host="small", headers=headers)
    assert (status, found["code"]) == (502, 8), "not the caller's fault"
    data = io.BytesIO(b'"' + b"x" * 6_000_000 + b'"')
    status, found, _ = await ask(http, "PUT", "/v1/items/a", data=data, headers=JSON)
    assert (status, found["code"]) == (413, 8)
    assert "server.limits.max_message_bytes" in found["message"]


@pytest.mark.parametrize(("code", "status"), [(1, 499), (5, 404), (9, 400), (16, 401), (8, 429), (15, 500)])
async def test_the_upstreams_status_is_the_callers(http: aiohttp.ClientSession, code: int, status: int) -> None:
    found_status, found, answer = await ask(http, "GET", "/v1/items/a", headers={"x-fail": str(code), "x-count": "0"})
    assert (found_status, found) == (status, {"code": code, "message": "as asked for", "details": []})
    assert answer.headers["x-echo"] == "Get"
    assert ("www-authenticate" in answer.headers) == (code == 16)


# === what a route says ===


async def test_rules_of_a_route(http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", "/plain/a?title=T", host="rules"))[:2] == (200, {"name": "a", "title": "T"})
    assert (await ask(http, "POST", "/plain", host="rules", json={"title": "T"}))[:2] == (200, {"title": "T"})
    assert (await ask(http, "GET", "/other/items/a", host="rules"))[:2] == (200, {"name": "items/a"})
    assert (await ask(http, "GET", "/v1/items/a", host="rules"))[0] == 405, "the annotation is replaced"
    assert (await ask(http, "GET", "/plain/a"))[0] == 404, "another route's rules are its own"


async def test_method_paths_are_rest_where_the_route_says_so(http: aiohttp.ClientSession) -> None:
    path = f"/{ECHO}/Plain"
    status, body, _ = await ask(http, "POST", path, host="rules", json={"titel": "T"})
    assert (status, body["code"]) == (400, 3), "REST says the code as a number"
    status, body, _ = await ask(http, "POST", path, json={"titel": "T"})
    assert (status, body["code"]) == (400, "invalid_argument"), "Connect says it as a word"
    headers = {"connect-protocol-version": "1"}
    status, body, _ = await ask(http, "POST", path, host="rules", json={"titel": "T"}, headers=headers)
    assert (status, body["code"]) == (400, "invalid_argument")


async def test_strictness(http: aiohttp.ClientSession, served: Gateway) -> None:
    served.news()
    for host in ("warn", "lenient"):
        status, body, _ = await ask(http, "PUT", "/v1/items/a?", host=host, json={"titel": "T", "title": "U"})
        assert (status, body) == (200, {"name": "items/a", "title": "U"})
        assert (await ask(http, "GET", "/v1/items/a?nothing=1", host=host))[0] == 200
        assert (await ask(http, "PUT", "/v1/items/a", host=host, json={"count": "x"}))[0] == 400, "values still count"
    assert await eventually_in_log(served, "titel")


async def test_parameters_that_are_none_of_the_services(http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", "/v1/items/a?key=1", host="ignoring"))[0] == 200
    assert (await ask(http, "GET", "/v1/items/a?other=1", host="ignoring"))[0] == 400


async def test_how_json_is_written(http: aiohttp.ClientSession) -> None:
    _, body, _ = await ask(http, "PATCH", "/v1/items/a", host="json", json={"kind": "KIND_SMALL"})
    assert body["item"]["kind"] == 1
    assert body["item"]["title"] == ""
    assert body["update_mask"] == "kind"
    _, body, _ = await ask(http, "PUT", "/v1/items/a", host="stripped", json={"kind": "SMALL"})
    assert body == {"name": "items/a", "kind": "SMALL"}
    _, body, _ = await ask(http, "GET", "/v1/items/a?kind=SMALL", host="stripped")
    assert body == {"name": "items/a", "kind": "SMALL"}


async def test_a_route_without_transcoding_serves_no_http(http: aiohttp.ClientSession) -> None:
    for verb, path, more in (
        ("GET", "/v1/items/a", {}),
        ("POST", f"/{ECHO}/Plain", {"json": {}}),
        ("POST", f"/{ECHO}/Plain", {"headers": {"content-type": "application/grpc-web"}}),
    ):
        status, *_ = await ask(http, verb, path, host="grpc-only", **more)
        assert status in (200, 404), "gRPC-Web says it in its own words"
    status, found, _ = await ask(http, "GET", "/v1/items/a", host="grpc-only")
    assert (status, found["code"]) == (404, 12)


async def test_a_protocol_can_be_switched_off(http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "GET", "/v1/items/a", host="no-rest"))[0] == 404
    assert (await ask(http, "POST", f"/{ECHO}/Plain", host="no-rest", json={}))[0] == 200


async def test_the_routes_time_limit(http: aiohttp.ClientSession) -> None:
    status, found, _ = await ask(http, "GET", "/v1/items/a", host="timed", headers={"x-hang": "1"})
    assert (status, found["code"]) == (504, 4)
    assert "routes/timed" in found["message"]
    headers = {"x-count": "1000", "x-pause": "0.01"}
    status, body, _ = await ask(http, "GET", "/v1/items/a:list", host="timed", headers=headers)
    last = json.loads(body.splitlines()[-1])
    assert status == 200
    assert last["error"]["code"] == 4
    assert "routes/timed" in last["error"]["message"]


async def test_header_policies_hold_for_rest(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    _, _, answer = await ask(http, "GET", "/v1/items/a", host="headers", headers={"x-set": "by caller"})
    assert answer.headers["x-answer"] == "ours"
    assert echo.values("x-set") == ["by policy"]


async def test_routes_that_answer_by_themselves(http: aiohttp.ClientSession) -> None:
    status, found, _ = await ask(http, "GET", "/v1/items/a", host="direct")
    assert (status, found["code"], found["message"]) == (503, 14, "closed for today")
    status, body, _ = await ask(http, "GET", "/pages/own")
    assert (status, body) == (200, b"a page of its own"), "a rule that ends in ** gives way"
    assert (await ask(http, "GET", "/pages/any/other"))[:2] == (200, {"name": "any/other"})
    status, _, answer = await ask(http, "GET", "/old/x%20y?title=T")
    assert status == 308
    assert answer.headers["location"].endswith("/v1/items/x%20y?title=T")


# === HEAD, OPTIONS, CORS ===


async def test_head_is_get_without_the_body(http: aiohttp.ClientSession) -> None:
    _, _, got = await ask(http, "GET", "/v1/items/a")
    status, nothing, head = await ask(http, "HEAD", "/v1/items/a")
    assert (status, nothing) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_options_says_what_a_path_takes(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    status, _, answer = await ask(http, "OPTIONS", "/v1/items/a")
    assert status == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"
    assert (await ask(http, "OPTIONS", "/nothing"))[0] == 404


async def test_cors(http: aiohttp.ClientSession) -> None:
    asking = {"origin": "https://shop.example.com", "access-control-request-method": "PUT"}
    status, _, answer = await ask(http, "OPTIONS", "/v1/items/a", headers=asking)
    assert status == 204
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    foreign = {**asking, "origin": "https://evil.example.com"}
    _, _, answer = await ask(http, "OPTIONS", "/v1/items/a", headers=foreign)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    for path, status in (("/v1/items/a", 200), ("/v1/items/a?nothing=1", 400)):
        found, _, answer = await ask(http, "GET", path, headers={"origin": "https://shop.example.com"})
        assert found == status
        assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"


# === streams ===


async def test_a_stream_in_the_form_that_is_accepted(http: aiohttp.ClientSession) -> None:
    item = {"name": "items/a"}
    for accept, expected in (
        ("application/x-ndjson", b'{"name":"items/a"}\n' * 2),
        ("application/json-seq", b'\x1e{"name":"items/a"}\n' * 2),
    ):
        headers = {"accept": accept, "x-count": "2"}
        status, body, answer = await ask(http, "GET", "/v1/items/a:list", headers=headers)
        assert status == 200
        assert body == expected
        assert answer.headers["content-type"] == accept
    _, body, _ = await ask(http, "GET", "/v1/items/a:list", headers={"accept": "application/json", "x-count": "2"})
    assert body == [item, item]


@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/json", "text/event-stream"])
async def test_a_stream_that_fails_at_once_has_a_true_status(http: aiohttp.ClientSession, accept: str) -> None:
    headers = {"accept": accept, "x-count": "0", "x-fail": "5"}
    status, found, answer = await ask(http, "GET", "/v1/items/a:list", headers=headers)
    assert (status, found["code"]) == (404, 5)
    assert answer.headers["content-type"] == "application/json"


async def test_a_stream_that_fails_later_ends_with_the_error(http: aiohttp.ClientSession) -> None:
    error = {"error": {"code": 5, "message": "as asked for", "details": []}}
    headers = {"accept": "application/json", "x-count": "1", "x-fail": "5"}
    status, body, _ = await ask(http, "GET", "/v1/items/a:list", headers=headers)
    assert (status, body) == (200, [{"name": "items/a"}, error])
    _, text, _ = await ask(http, "GET", "/v1/items/a:list", headers={**headers, "accept": "text/event-stream"})
    assert text.endswith(b"event: error\ndata: " + json.dumps(error, separators=(",", ":")).encode() + b"\n\n")


async def test_messages_come_one_by_one(http: aiohttp.ClientSession) -> None:
    headers = {"x-count": "2", "x-hang": "1"}
    async with http.get("/v1/items/a:list", headers=headers) as answer:
        async with asyncio.timeout(5):
            assert await answer.content.readline() == b'{"name":"items/a"}\n'
            assert await answer.content.readline() == b'{"name":"items/a"}\n'


async def test_a_quiet_event_stream_beats(http: aiohttp.ClientSession) -> None:
    headers = {"host": "beating.test", "accept": "text/event-stream", "x-count": "0", "x-hang": "1"}
    async with http.get("/v1/items/a:list", headers=headers) as answer:
        async with asyncio.timeout(5):
            assert await answer.content.readexactly(6) == b":\n\n:\n\n"
        assert answer.status == 200


async def test_a_caller_who_leaves_cancels_the_call(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    echo.cancelled.clear()
    async with http.get("/v1/items/a:list", headers={"x-count": "1", "x-hang": "1"}) as answer:
        await answer.content.readline()
        answer.close()
    async with asyncio.timeout(1):
        await echo.cancelled.wait()


async def test_a_slow_reader_holds_up_the_upstream(served: Gateway, echo: EchoServer) -> None:
    reader, writer = await asyncio.open_connection(*served.http.split(":"), limit=1024)
    writer.write(b"GET /v1/items/a:list HTTP/1.1\r\nhost: a\r\nx-count: 2000\r\nx-size: 50000\r\n\r\n")
    try:
        await reader.readline()
        before = -1

        async def stands() -> bool:
            nonlocal before
            await asyncio.sleep(0.2)
            stands, before = before == echo.sent and echo.sent > 0, echo.sent
            return stands

        await eventually(stands, within=15, what="the upstream waits")
        assert echo.sent < 1900
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'[{"title":"a"},{"title":"b"}]'),
        ("application/json", b'{"title":"a"} {"title":"b"}'),
        ("application/x-ndjson", b'{"title":"a"}\n{"title":"b"}\n'),
    ],
)
async def test_a_stream_of_requests(http: aiohttp.ClientSession, kind: str, body: bytes) -> None:
    status, found, _ = await ask(http, "POST", "/v1/items:collect", data=body, headers={"content-type": kind})
    assert (status, found) == (200, {"count": 2, "tags": ["a", "b"]})


async def test_a_bad_message_in_a_stream_of_requests(http: aiohttp.ClientSession) -> None:
    status, found, _ = await ask(http, "POST", "/v1/items:collect", data=b'{"title":"a"}{"titel":"b"}', headers=JSON)
    assert (status, found["code"]) == (400, 3)
    status, found, _ = await ask(http, "POST", "/v1/items:collect", data=b'[{"title":"a"}', headers=JSON)
    assert (status, found["code"]) == (400, 3)


async def test_both_ways_at_once(served: Gateway) -> None:
    reader, writer = await asyncio.open_connection(*served.http.split(":"))
    try:
        head = "POST /v1/items:chat HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-ndjson\r\n"
        writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        async with asyncio.timeout(5):
            for text in ("a", "b", "c"):
                line = f'{{"title":"{text}"}}\n'
                writer.write(f"{len(line):x}\r\n{line}\r\n".encode())
                while f'"title":"{text}"'.encode() not in await reader.readline():
                    pass
            writer.write(b"0\r\n\r\n")
            while await reader.readline() != b"0\r\n":
                pass
    finally:
        writer.close()


async def test_files_up_and_down(http: aiohttp.ClientSession, echo: EchoServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"y" * 10_000

    status, found, _ = await ask(
        http, "POST", "/v1/items/a:upload", data=pieces(), headers={"content-type": "application/x-thing"}
    )
    assert (status, found) == (200, {"name": "items/a", "big": "3000000"})
    first, *rest = echo.requests
    assert (first.name, first.file.content_type) == ("items/a", "application/x-thing")  # type: ignore[attr-defined]
    assert not any(request.name or request.file.content_type for request in rest)  # type: ignore[attr-defined]
    headers = {"x-count": "30", "x-size": "100000"}
    status, body, answer = await ask(http, "GET", "/v1/items/a:download", headers=headers)
    assert (status, body) == (200, b"x" * 3_000_000)
    assert answer.headers["content-type"] == "application/x-echo"


async def test_a_file_as_the_whole_message(http: aiohttp.ClientSession) -> None:
    data = bytes(range(256)) * 100
    headers = {"content-type": "image/x-any"}
    status, body, answer = await ask(http, "POST", "/v1/items:picture", data=data, headers=headers)
    assert (status, body, answer.headers["content-type"]) == (200, data, "image/x-any")


async def test_a_download_that_fails_is_not_whole(http: aiohttp.ClientSession) -> None:
    headers = {"x-count": "3", "x-size": "1000", "x-fail": "15"}
    async with http.get("/v1/items/a:download", headers=headers) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


# === the gateway API as REST ===


async def test_the_gateway_api_as_rest(served: Gateway) -> None:
    async with aiohttp.ClientSession(f"http://{served.admin_http}") as api:
        new = {"static": {"endpoints": [{"address": "127.0.0.1:1"}]}}
        async with api.post("/v1/upstreams?upstream_id=made", json=new) as answer:
            assert answer.status == 200
            made = await answer.json()
        assert made["name"] == "upstreams/made"
        async with api.patch("/v1/upstreams/made", json={"displayName": "Made"}) as answer:
            assert (await answer.json())["displayName"] == "Made"
        async with api.get("/v1/upstreams/made") as answer:
            changed = await answer.json()
        assert changed["displayName"] == "Made"
        assert changed["static"] == made["static"], "the mask of the PATCH names what its body mentions"
        async with api.post("/v1/upstreams?upstream_id=bad", json={"static": {}}) as answer:
            assert answer.status == 400
            assert violations(await answer.json())
        async with api.delete("/v1/upstreams/made") as answer:
            assert answer.status == 200
        async with api.get("/v1/upstreams/made") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example.com"}, {"host": "evil.example.com"}])
async def test_pages_of_others_do_not_reach_the_gateway_api(served: Gateway, headers: dict[str, str]) -> None:
    async with (
        aiohttp.ClientSession(f"http://{served.admin_http}") as api,
        api.get("/v1/routes", headers=headers) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (403, 7)


async def raw(address: str, request: str) -> tuple[int, bytes]:
    """Send bytes and return status and body of the answer."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    writer.write(request.encode())
    try:
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def eventually_in_log(process: Process, words: str) -> bool:
    """Wait until a process has written something."""

    async def there() -> bool:
        return words in await asyncio.to_thread(process.log.read_text)

    await eventually(there, within=5, what=f"{words} in the log")
    return True
