"""A status in each of its forms."""

from __future__ import annotations

from base64 import b64decode, b64encode

import orjson
import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from edge.model.status import HTTP_STATUS, Code, Detail, Status
from tests.transcoding.connect.books import CONNECT_HTTP_STATUS
from transcoding.codec import Codec, CodecOptions
from transcoding.render import (
    CONNECT_CODES,
    close_code,
    connect_error,
    error_line,
    status_json,
    web_status,
    web_trailers,
)

UNKNOWN = Detail("type.googleapis.com/no.such.Type", b"\xfb\xff")
ERRORS = [code for code in Code if code is not Code.OK]


def detail(message: Message) -> Detail:
    packed = any_pb2.Any()
    packed.Pack(message)
    return Detail(packed.type_url, packed.value)


RETRY = detail(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=30)))
BROKEN = Detail("type.googleapis.com/google.rpc.RetryInfo", b"\xff")


def test_a_status_is_json_as_protobuf_has_it_and_unknown_details_cost_nothing() -> None:
    status = Status(Code.UNAVAILABLE, "later, é", (RETRY, UNKNOWN, BROKEN, detail(duration_pb2.Duration(seconds=1))))
    expected = {
        "code": 14,
        "message": "later, é",
        "details": [
            {"@type": RETRY.type_url, "retryDelay": "30s"},
            {"@type": UNKNOWN.type_url, "value": "+/8="},
            {"@type": BROKEN.type_url, "value": "/w=="},
            {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
        ],
    }
    assert orjson.loads(status_json(status)) == expected
    assert orjson.loads(error_line(status)) == {"error": expected}


def test_a_detail_of_the_upstreams_own_schema_is_readable() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own", syntax="proto3")
    file.message_type.add(name="Why").field.add(name="the_cause", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    why = GetMessageClass(pool.FindMessageTypeByName("own.Why"))(the_cause="x")
    status = Status(Code.ABORTED, "", (Detail("type.googleapis.com/own.Why", why.SerializeToString()),))
    codec = Codec(pool, CodecOptions())
    assert orjson.loads(status_json(status, codec))["details"] == [
        {"@type": "type.googleapis.com/own.Why", "theCause": "x"}
    ]
    assert connect_error(status, codec)["details"] == [
        {"type": "own.Why", "value": b64encode(why.SerializeToString()).decode(), "debug": {"theCause": "x"}}
    ]


def test_a_connect_error_has_the_name_of_the_code_and_details_without_padding() -> None:
    assert connect_error(Status(Code.CANCELLED)) == {"code": "canceled"}
    assert connect_error(Status(Code.UNAVAILABLE, "m", (RETRY, UNKNOWN, BROKEN)))["details"] == [
        {"type": "google.rpc.RetryInfo", "value": "CgIIHg", "debug": {"retryDelay": "30s"}},
        {"type": "no.such.Type", "value": "+/8"},
        {"type": "google.rpc.RetryInfo", "value": "/w"},
    ]


def test_a_message_that_json_cannot_hold_does_not_cost_the_status() -> None:
    status = Status(Code.INTERNAL, "a\ud800é")
    assert orjson.loads(status_json(status))["message"] == "a?é"
    assert connect_error(status)["message"] == "a?é"


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_name_and_an_http_status(code: Code) -> None:
    assert CONNECT_CODES[code].replace("canceled", "cancelled").upper() == code.name
    assert CONNECT_HTTP_STATUS[code] == HTTP_STATUS[code]
    assert close_code(Status(code)) == 4000 + int(code)


def test_a_web_socket_that_ended_well_is_closed_normally() -> None:
    assert close_code(Status(Code.OK)) == 1000


def test_trailers_are_lines_and_no_value_can_forge_one() -> None:
    trailing = (("x-a", "1\r\nx-b: 2\0"), ("x-bin", b"\xfb\xff"), ("grpc-status", "0"), ("grpc-message", "no"))
    assert web_trailers(Status(Code.NOT_FOUND, "a\nb"), trailing) == (
        b"grpc-status: 5\r\ngrpc-message: a%0Ab\r\nx-a: 1  x-b: 2 \r\nx-bin: +/8\r\n"
    )


def test_details_go_as_the_whole_status() -> None:
    pairs = dict(web_status(Status(Code.ABORTED, "m", (UNKNOWN,))))
    packed = status_pb2.Status.FromString(b64decode(pairs["grpc-status-details-bin"] + "=="))
    assert (packed.code, packed.message) == (10, "m")
    assert [(each.type_url, each.value) for each in packed.details] == [(UNKNOWN.type_url, UNKNOWN.value)]
