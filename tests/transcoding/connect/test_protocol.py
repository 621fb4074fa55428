"""The forms of messages, and the end of a stream."""

from __future__ import annotations

import orjson
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from edge.model.errors import InvalidRequest, UpstreamProtocolError
from edge.model.schema import Method, Shape
from edge.model.status import Code, Status
from edge.model.transcoding import Transcoding
from tests.transcoding.connect.books import ASK, ASK_JSON, SHELF, SHELF_JSON, UNARY, offer_of
from transcoding.codec import Codec, CodecOptions
from transcoding.connect.protocol import JsonForm, ProtoForm, end_stream, form_of, headers_of
from transcoding.ending import Ending
from transcoding.framing import frame
from transcoding.offer import Offer
from transcoding.unknown import UnknownFields


def test_json_is_read_and_written_by_the_codec_of_the_route() -> None:
    form = form_of("json", offer_of(UNARY))
    assert isinstance(form, JsonForm)
    assert form.read(ASK_JSON) == ASK.SerializeToString()
    assert form.write(SHELF.SerializeToString()) == SHELF_JSON
    assert form.limit(1000) > 2000


def test_proto_is_neither_read_nor_written() -> None:
    form = form_of("proto", offer_of(UNARY))
    assert isinstance(form, ProtoForm)
    assert form.read(b"\xff") == form.write(b"\xff") == b"\xff"
    assert form.limit(1000) == 1000


def test_an_answer_of_another_type_is_the_upstreams_fault() -> None:
    with pytest.raises(UpstreamProtocolError, match=r"no bookstore\.v1\.Shelf"):
        form_of("json", offer_of(UNARY)).write(b"\xff")


def test_what_proto2_requires_is_asked_for_by_name() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="old.proto", package="old", syntax="proto2")
    message = file.message_type.add(name="M")
    message.field.add(name="must", number=1, type="TYPE_STRING", label="LABEL_REQUIRED")
    service = file.service.add(name="S")
    service.method.add(name="Do", input_type=".old.M", output_type=".old.M")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindServiceByName("old.S").methods_by_name["Do"]
    method = Method("/old.S/Do", Shape.UNARY, "old.M", "old.M")
    form = JsonForm(
        Offer("routes/old", Transcoding(), method, descriptor, Codec(pool, CodecOptions()), UnknownFields("routes/old"))
    )
    with pytest.raises(InvalidRequest) as caught:
        form.read(b"{}")
    assert [violation.field for violation in caught.value.violations] == ["must"]
    assert form.read(b'{"must":"x"}') == b"\x0a\x01x"


def test_the_end_of_a_stream_is_an_object_with_what_there_is_to_say() -> None:
    assert end_stream(Ending(Status(Code.OK), 200), None) == frame(2, b"{}")
    ending = Ending(Status(Code.ABORTED), 409, trailing=(("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\xff")))
    assert orjson.loads(end_stream(ending, None)[5:]) == {
        "error": {"code": "aborted"},
        "metadata": {"x-a": ["1", "2"], "x-b-bin": ["/w"]},
    }


def test_names_that_connect_reserves_do_not_pass() -> None:
    metadata = (("connect-timeout-ms", "1"), ("content-encoding", "gzip"), ("x-a", "1"), ("grpc-status", "0"))
    assert headers_of(metadata) == [("x-a", "1")]
    assert headers_of(metadata, "trailer-") == [("trailer-x-a", "1")]
