"""A service that answers with what it was sent: a method of each shape, with rules for REST."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import google.api
import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

from edge.admin.reflection import add_reflection
from edge.model.schema import SchemaSet

ECHO = "echo.v1.Echo"

PROTO = """
syntax = "proto3";
package echo.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/field_mask.proto";

service Echo {
  rpc Get(Item) returns (Item) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/{name=items/*}"};
  }
  rpc Create(CreateRequest) returns (CreateRequest) {
    option (google.api.http) = {post: "/v1/items" body: "item" response_body: "item"};
  }
  rpc Update(UpdateRequest) returns (UpdateRequest) {
    option (google.api.http) = {patch: "/v1/{item.name=items/*}" body: "item"};
  }
  rpc Replace(Item) returns (Item) {
    option (google.api.http) = {put: "/v1/{name=items/*}" body: "*"};
  }
  rpc Find(Item) returns (Item) {
    option (google.api.http) = {custom: {kind: "PROPFIND" path: "/v1/items"}};
  }
  rpc Page(Item) returns (Item) {
    option (google.api.http) = {get: "/pages/{name=**}"};
  }
  rpc Plain(Item) returns (Item);
  rpc List(Item) returns (stream Item) {
    option (google.api.http) = {get: "/v1/{name=items/*}:list"};
  }
  rpc Collect(stream Item) returns (Item) {
    option (google.api.http) = {post: "/v1/items:collect" body: "*"};
  }
  rpc Chat(stream Item) returns (stream Item) {
    option (google.api.http) = {post: "/v1/items:chat" body: "*"};
  }
  rpc Download(Item) returns (stream google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/{name=items/*}:download"};
  }
  rpc Upload(stream UploadRequest) returns (Item) {
    option (google.api.http) = {post: "/v1/{name=items/*}:upload" body: "file"};
  }
  rpc Picture(google.api.HttpBody) returns (google.api.HttpBody) {
    option (google.api.http) = {post: "/v1/items:picture" body: "*"};
  }
}

message Item {
  enum Kind {
    KIND_UNSPECIFIED = 0;
    KIND_SMALL = 1;
  }
  string name = 1;
  string title = 2;
  int64 big = 3;
  Kind kind = 4;
  repeated string tags = 5;
  int32 count = 6;
  Inner inner = 7;
}
message Inner {
  string text = 1;
  map<string, string> labels = 2;
}
message CreateRequest {
  string item_id = 1;
  Item item = 2;
}
message UpdateRequest {
  Item item = 1;
  google.protobuf.FieldMask update_mask = 2;
}
message UploadRequest {
  string name = 1;
  google.api.HttpBody file = 2;
}
"""


def echo_files() -> list[bytes]:
    """Return the files of the service with all that they import, serialized."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "echo.proto").write_text(PROTO)
        out = Path(folder) / "set.bin"
        includes = [f"-I{folder}", f"-I{Path(google.api.__path__[0]).parent.parent}"]
        well_known = Path(protoc.__file__).parent / "_proto"
        arguments = ["protoc", *includes, f"-I{well_known}", "--include_imports", f"--descriptor_set_out={out}"]
        assert protoc.main([*arguments, "echo.proto"]) == 0
        return [file.SerializeToString() for file in descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file]


class EchoServer:
    """The service on a loopback port. A call may say with metadata how it is answered:

    `x-count` how many messages a stream answers, `x-size` the bytes of each, `x-pause` seconds before each but the
    first, `x-fail` the code the call ends with, after its messages, `x-hang` to wait until it is cancelled.
    """

    def __init__(self) -> None:
        self.files = echo_files()
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files:
            self.pool.AddSerializedFile(file)
        self.service = self.pool.FindServiceByName(ECHO)
        self.requests: list[Message] = []
        """The messages of the latest call, as they came."""
        self.metadata: list[tuple[str, str | bytes]] = []
        """The metadata of the latest call."""
        self.cancelled = asyncio.Event()
        """Set when a call was cancelled."""
        self.sent = 0
        """The messages sent in the latest call."""
        self.port = 0
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        schema = SchemaSet.of(self.files, offered=[ECHO])
        server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)])
        add_reflection(server, lambda: [schema])
        server.add_generic_rpc_handlers((_Handler(self),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._server = server
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            await self._server.stop(0)

    def values(self, name: str) -> list[str | bytes]:
        """Return the values of a metadata entry of the latest call."""
        return [value for key, value in self.metadata if key == name]


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, owner: EchoServer) -> None:
        self._owner = owner

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        service, _, name = details.method[1:].partition("/")
        if service != ECHO or name not in self._owner.service.methods_by_name:
            return None
        method = self._owner.service.methods_by_name[name]
        return grpc.stream_stream_rpc_method_handler(
            _Method(self._owner, method).handle,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


class _Method:
    def __init__(self, owner: EchoServer, method: Any) -> None:
        self._owner = owner
        self._method = method
        self._output: Any = GetMessageClass(method.output_type)

    async def handle(self, requests: AsyncIterator[Message], context: Any) -> AsyncIterator[Message]:
        owner = self._owner
        owner.requests = []
        owner.sent = 0
        owner.metadata = list(context.invocation_metadata())
        wish = {key: str(value) for key, value in owner.metadata}
        await context.send_initial_metadata((("x-echo", self._method.name),))
        try:
            if self._method.name == "Chat":
                async for request in requests:
                    owner.requests.append(request)
                    owner.sent += 1
                    yield request
            else:
                async for request in requests:
                    owner.requests.append(request)
                for number in range(int(wish.get("x-count", "1"))):
                    if number and "x-pause" in wish:
                        await asyncio.sleep(float(wish["x-pause"]))
                    yield self._answer(int(wish.get("x-size", "0")))
                    owner.sent += 1
            if "x-hang" in wish:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            owner.cancelled.set()
            raise
        context.set_trailing_metadata((("x-trailer", "last"),))
        if "x-fail" in wish:
            context.set_code({code.value[0]: code for code in grpc.StatusCode}[int(wish["x-fail"])])
            context.set_details("as asked for")

    def _answer(self, size: int) -> Message:
        requests = self._owner.requests
        if self._output.DESCRIPTOR.full_name == "google.api.HttpBody":
            if self._method.name == "Picture":
                return requests[0]
            return self._output(content_type="application/x-echo", data=b"x" * size)  # type: ignore[no-any-return]
        if self._method.name == "Upload":
            data = b"".join(request.file.data for request in requests)  # type: ignore[attr-defined]
            name = requests[0].name if requests else ""  # type: ignore[attr-defined]
            return self._output(name=name, title=data.decode("latin-1") if len(data) < 100 else "", big=len(data))  # type: ignore[no-any-return]
        if self._method.name == "Collect":
            return self._output(count=len(requests), tags=[request.title for request in requests])  # type: ignore[attr-defined,no-any-return]
        if size and requests:
            return self._output(name="items/a", title="x" * size)  # type: ignore[no-any-return]
        return requests[0] if requests else self._output()
