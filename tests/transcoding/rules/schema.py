"""Descriptors for tests: proto text compiled by protoc, and the types of the corpus, each in a pool of its own."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterable
from pathlib import Path

import google.api
import grpc_tools
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_tools import protoc

from tests.corpus.cases import load
from tests.corpus.descriptors import Schemas, file_name, with_imports


def compiled(text: str) -> list[descriptor_pb2.FileDescriptorProto]:
    """Return what protoc makes of a proto file, with everything it imports."""
    google_protos = Path(next(iter(google.api.__path__))).parent.parent
    wellknown = Path(next(iter(grpc_tools.__path__))) / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test.proto").write_text(text)
        out = Path(folder) / "out"
        code = protoc.main(
            [
                "protoc",
                *(f"-I{path}" for path in (folder, google_protos, wellknown)),
                "--include_imports",
                f"--descriptor_set_out={out}",
                "test.proto",
            ]
        )
        assert code == 0, "protoc refuses the text of the test"
        return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


def pool_of(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    """Return a private pool of files, each after what it imports."""
    pool = DescriptorPool()
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def new(descriptor: Descriptor) -> Message:
    """Return an empty message of a type."""
    made: Message = message_factory.GetMessageClass(descriptor)()
    return made


class CorpusTypes:
    """The types of the corpus file, and methods made for them."""

    def __init__(self) -> None:
        self.files = with_imports(Schemas(load().schemas).files)
        self.pool = pool_of(self.files)
        self._made = 0

    def message(self, name: str) -> Descriptor:
        return self.pool.FindMessageTypeByName(name)

    def method(self, request: str, response: str | None = None, *, client_streaming: bool = False) -> MethodDescriptor:
        """Return a method of a service of its own."""
        self._made += 1
        package = f"made.c{self._made}"
        file = descriptor_pb2.FileDescriptorProto(name=file_name(package), package=package, syntax="proto3")
        service = file.service.add(name="Service")
        service.method.add(
            name="Call",
            input_type=f".{request}",
            output_type=f".{response or request}",
            client_streaming=client_streaming,
        )
        file.dependency.extend(sorted({self.message(name).file.name for name in (request, response or request)}))
        self.pool.AddSerializedFile(file.SerializeToString())
        return self.pool.FindServiceByName(f"{package}.Service").methods_by_name["Call"]


@functools.cache
def corpus_types() -> CorpusTypes:
    return CorpusTypes()


SHOP = """
syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Theme { THEME_UNSPECIFIED = 0; FICTION = 1; SCIENCE = 2; }

message Place { string room = 1; int32 floor = 2; Place within = 3; }

message Shelf {
  string name = 1;
  Theme theme = 2;
  Place place = 3;
  map<string, string> labels = 4;
  map<int32, Place> places = 5;
  map<string, google.protobuf.Timestamp> times = 6;
  repeated string tags = 7;
  repeated Place former = 8;
  google.protobuf.Any extra = 9;
  google.protobuf.Struct meta = 10;
  google.protobuf.Value note = 11;
  google.protobuf.ListValue list = 12;
  google.protobuf.Timestamp opened = 13;
  google.protobuf.Duration rest = 14;
  google.protobuf.Int32Value limit = 15;
  google.protobuf.Empty nothing = 16;
  repeated google.protobuf.Int32Value limits = 17;
  oneof owner { string person = 18; Place office = 19; }
  optional int32 count = 20;
  bytes digest = 21;
  repeated Theme themes = 22;
  string odd = 23 [json_name = "even"];
}

message Odd { bool DESCRIPTOR = 1; int32 class = 2; string SetInParent = 3; }

message UpdateShelfRequest {
  Shelf shelf = 1;
  google.protobuf.FieldMask update_mask = 2;
  bool allow_missing = 3;
  oneof reason { string text = 4; Place where = 5; }
}

message Upload { string name = 1; google.api.HttpBody file = 2; Shelf update_mask = 3; }

service Shelves {
  rpc Update(UpdateShelfRequest) returns (Shelf) {
    option (google.api.http) = { patch: "/v1/{shelf.name=shelves/*}" body: "shelf" };
  }
  rpc Get(Shelf) returns (Shelf) {
    option (google.api.http) = { get: "/v1/{name=shelves/*}" additional_bindings { get: "/v1/shelf" } };
  }
  rpc Send(Upload) returns (Shelf) { option (google.api.http) = { patch: "/v1/files/{name}" body: "file" }; }
  rpc Hidden(Shelf) returns (Shelf);
}
"""


@functools.cache
def shop_files() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    return tuple(compiled(SHOP))


@functools.cache
def shop() -> DescriptorPool:
    return pool_of(shop_files())


def shop_message(name: str) -> Descriptor:
    return shop().FindMessageTypeByName(f"shop.v1.{name}")


def shop_method(name: str) -> MethodDescriptor:
    return shop().FindServiceByName("shop.v1.Shelves").methods_by_name[name]
