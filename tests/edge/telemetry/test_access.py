from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from edge.model.call import Call, CallFinished, Protocol, StatusSource
from edge.model.config import DirectResponse, Route
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.snapshot import RoutePlan, Snapshot
from edge.model.status import Code
from edge.telemetry.access import LOGGER, AccessLog, access_fields
from edge.telemetry.logs import JsonFormatter

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def full() -> CallFinished:
    metadata: list[tuple[str, str | bytes]] = [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"),
        ("authorization", "Bearer s3cret"),
        ("cookie", "s3cret"),
        ("key-bin", b"s3cret"),
    ]
    call = Call(
        "/s/M",
        metadata,
        protocol=Protocol.REST,
        host="a.test",
        verb="GET",
        query="token=s3cret",
        peer="p",
        started=10.0,
    )
    call.request_id = "r-1"
    call.response_metadata = [("set-cookie", "s3cret")]
    call.first_message = 10.1
    call.snapshot = Snapshot()
    route = Route(name="routes/r", action=DirectResponse(code=Code.OK))
    call.plan = RoutePlan(route=route, max_request_bytes=1, max_response_bytes=1)
    call.endpoint = Endpoint(EndpointAddress("127.0.0.1:1"))
    call.reason, call.cause, call.attempts = "DEADLINE", "slow", 2
    return CallFinished(call, Code.DEADLINE_EXCEEDED, "token s3cret is late", StatusSource.GATEWAY, 10.25)


def test_a_line_says_what_is_known_and_no_secret() -> None:
    fields = access_fields(full())
    assert fields == {
        "method": "/s/M",
        "protocol": "rest",
        "code": "DEADLINE_EXCEEDED",
        "source": "gateway",
        "duration_ms": 250.0,
        "first_message_ms": 100.0,
        "verb": "GET",
        "host": "a.test",
        "peer": "p",
        "route": "routes/r",
        "endpoint": "127.0.0.1:1",
        "reason": "DEADLINE",
        "cause": "slow",
        "request_id": "r-1",
        "trace_id": TRACE,
        "request_messages": 0,
        "response_messages": 0,
        "request_bytes": 0,
        "response_bytes": 0,
        "attempts": 2,
        "revision": 0,
    }
    assert "s3cret" not in json.dumps(fields)


@pytest.mark.parametrize(
    "value",
    ["", "x", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01"],
)
def test_a_malformed_traceparent_is_left_out(value: str) -> None:
    call = Call("/s/M", [("traceparent", value)])
    assert "trace_id" not in access_fields(CallFinished(call, Code.OK, "", StatusSource.UPSTREAM, 0.0))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    target = io.StringIO()
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield target
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_each_call_is_one_line_whatever_the_level_of_other_logs(stream: io.StringIO) -> None:
    log = AccessLog()
    log(full())
    strange = Call("/s/M\nlevel=forged \udcff", host="\x1b[2J")
    log(CallFinished(strange, Code.OK, "", StatusSource.UPSTREAM, strange.started))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["code"] for line in lines] == ["DEADLINE_EXCEEDED", "OK"]
    assert lines[1]["method"] == strange.method
