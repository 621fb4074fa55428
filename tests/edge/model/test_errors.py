from __future__ import annotations

import inspect

import pytest
from google.rpc import error_details_pb2

from edge.model import errors, registering, resource_errors
from edge.model.errors import DOMAIN, DirectReply, GatewayError, InvalidRequest, NoRoute, Violation
from edge.model.status import HTTP_STATUS, Code
from gateway.v1 import error_reason_pb2

KINDS = [
    kind
    for module in (errors, registering, resource_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, GatewayError) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_reason_is_in_the_api(kind: type[GatewayError]) -> None:
    assert f"ERROR_REASON_{kind.reason}" in set(error_reason_pb2.ErrorReason.keys())


def test_a_status_has_error_info_first_and_never_the_cause() -> None:
    error = NoRoute("no route takes /a/B", metadata={"method": "/a/B"}, cause="10.0.0.7 said no", retry_after=1.5)
    status = error.status.to_proto()
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("NO_ROUTE", DOMAIN, {"method": "/a/B"})
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1500
    assert b"10.0.0.7" not in status.SerializeToString()


def test_an_invalid_request_quotes_the_first_violation_and_counts_the_rest() -> None:
    error = InvalidRequest.of([Violation("a.b", "is wrong", "edge.yaml:3:1"), Violation("c", "too")])
    assert error.message == "edge.yaml:3:1: a.b: is wrong (and 1 more)"
    details = error_details_pb2.BadRequest()
    assert error.status.to_proto().details[1].Unpack(details)
    assert [entry.field for entry in details.field_violations] == ["a.b", "c"]
    assert details.field_violations[0].description == "edge.yaml:3:1: is wrong"


def test_a_direct_reply_has_the_code_of_its_route_and_of_no_other() -> None:
    teapot, fine = DirectReply(Code.NOT_FOUND, "gone", route="routes/a"), DirectReply(Code.OK, "", route="routes/b")
    assert (teapot.status.code, fine.status.code) == (Code.NOT_FOUND, Code.OK)


def test_every_code_has_an_http_status() -> None:
    assert HTTP_STATUS.keys() == set(Code)
