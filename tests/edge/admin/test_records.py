from __future__ import annotations

from google.protobuf import json_format

from edge.admin.records import duration, finished_call, text, timestamp
from edge.model.call import Call, CallFinished, Protocol, StatusSource
from edge.model.config import DirectResponse, Route
from edge.model.endpoint import Endpoint, EndpointAddress
from edge.model.snapshot import RoutePlan, UpstreamPlan
from edge.model.status import Code
from gateway.v1 import tap_pb2
from tests.edge.admin.fakes import FakeCluster, FakeRuntime

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_everything_that_is_known_of_a_call_but_no_metadata() -> None:
    metadata = [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"), ("authorization", "s3cret")]
    call = Call(
        "/s/M", metadata, protocol=Protocol.GRPC_WEB, host="a.test", query="k=s3cret", peer="p:1", started=100.0
    )
    call.plan = RoutePlan(
        route=Route(name="routes/r", action=DirectResponse(code=Code.OK)), max_request_bytes=1, max_response_bytes=1
    )
    call.snapshot = FakeRuntime(revision=9).snapshot.value
    call.upstream = UpstreamPlan(name="upstreams/a", weight=1, cluster=FakeCluster("upstreams/a"))
    call.endpoint = Endpoint(EndpointAddress("h:1"))
    call.first_message = 100.25
    call.request_messages, call.response_messages, call.request_bytes, call.response_bytes = 1, 2, 3, 4
    call.attempts, call.request_id, call.reason, call.cause = 5, "r-1", "DEADLINE", "slow"
    record = finished_call(CallFinished(call, Code.ABORTED, "no", StatusSource.GATEWAY, 101.5), clock=1_700_000_000.0)
    assert json_format.MessageToDict(record, preserving_proto_field_name=True) == {
        "start_time": "2023-11-14T22:15:00Z",
        "duration": "1.500s",
        "first_message_duration": "0.250s",
        "method": "/s/M",
        "protocol": "grpc-web",
        "host": "a.test",
        "peer": "p:1",
        "route": "routes/r",
        "upstream": "upstreams/a",
        "endpoint": "h:1",
        "status": {"code": 10, "message": "no"},
        "status_source": "gateway",
        "reason": "DEADLINE",
        "cause": "slow",
        "request_messages": "1",
        "response_messages": "2",
        "request_bytes": "3",
        "response_bytes": "4",
        "attempts": 5,
        "request_id": "r-1",
        "trace_id": TRACE,
        "config_revision": "9",
    }
    assert b"s3cret" not in record.SerializeToString()


def test_a_call_that_got_nowhere_has_no_route_and_no_first_message() -> None:
    record = finished_call(CallFinished(Call("/s/M"), Code.CANCELLED, "", StatusSource.CALLER, 0.0))
    assert (record.route, record.upstream, record.endpoint, record.trace_id) == ("", "", "", "")
    assert not record.HasField("first_message_duration")
    assert record.HasField("duration")


def test_bytes_that_are_no_text_do_not_matter() -> None:
    call = Call("/s/\udcff", host="\udcfe", peer="p")
    record = finished_call(CallFinished(call, Code.UNKNOWN, "\udcfd", StatusSource.UPSTREAM, call.started))
    assert tap_pb2.FinishedCall.FromString(record.SerializeToString()).method == "/s/?"
    assert text("Bücher") == "Bücher"


def test_times_are_exact_to_the_microsecond() -> None:
    assert timestamp(1_700_000_000.123456).ToMicroseconds() == 1_700_000_000_123_456
    assert duration(0.1).ToMicroseconds() == 100_000
