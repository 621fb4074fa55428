"""Messages with every kind of field, in proto2, proto3 and an edition, in a pool of their own."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import google.protobuf
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

_NUMBERS = ("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64")
SCALARS = (*_NUMBERS, "sfixed32", "sfixed64", "bool", "string", "bytes")
KEYS = tuple(kind for kind in SCALARS if kind not in {"double", "float", "bytes"})
_FORMS = ("Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any", "Empty", "NullValue")
_WRAPPED = ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
WELL_KNOWN = (*_FORMS, *(f"{kind}Value" for kind in _WRAPPED))

_IMPORTS = "".join(
    f'import "google/protobuf/{name}.proto";'
    for name in ("timestamp", "duration", "field_mask", "struct", "any", "empty", "wrappers")
)


def _fields(kinds: tuple[str, ...], form: str) -> str:
    lines = []
    for number, kind in enumerate(kinds, 1):
        name = kind.rpartition(".")[2].lower()
        lines.append(form.format(kind=kind, name=f"f_{name}", number=number))
    return "\n".join(lines)


_TYPES = (*(f"google.protobuf.{name}" for name in WELL_KNOWN), "Color", "Small")

PROTO3 = f"""
syntax = "proto3"; package three; {_IMPORTS}
enum Color {{ COLOR_UNSPECIFIED = 0; COLOR_RED = 1; COLOR_DARK_RED = 2; COLOR_3D = 3; BLUE = 4; COLOR_MINUS = -1; }}
message Small {{
  int32 page_count = 1; double d = 2; float f = 3; Color color = 4; string theme = 5; Small child = 6;
  repeated Small books = 7; map<string, Small> by_name = 8; bytes data = 9; int64 big = 10;
  google.protobuf.Timestamp at = 11; bool ok = 12;
}}
message Scalars {{ {_fields(SCALARS, "{kind} {name} = {number};")} Color f_color = 40; }}
message Optionals {{ {_fields(SCALARS, "optional {kind} {name} = {number};")} optional Color f_color = 40; }}
message Lists {{ {_fields(SCALARS, "repeated {kind} {name} = {number};")} repeated Color f_color = 40; }}
message Keys {{ {_fields(KEYS, "map<{kind}, string> {name} = {number};")} map<int32, Small> small = 40; }}
message MapValues {{ {_fields((*SCALARS, *_TYPES), "map<string, {kind}> {name} = {number};")} }}
message WellKnown {{ {_fields(_TYPES, "{kind} {name} = {number};")} }}
message WellKnownLists {{ {_fields(_TYPES, "repeated {kind} {name} = {number};")} }}
message Choices {{
  string name = 1;
  oneof kind {{ string a_text = 2; int32 a_number = 3; Small a_small = 4; google.protobuf.NullValue a_null = 5;
    google.protobuf.Value a_value = 6; bool a_bool = 7; }}
  oneof other {{ double x = 8; Color y = 9; }}
  optional int32 maybe = 10;
}}
message Names {{
  string plain_name = 1; string custom = 2 [json_name = "other-name"]; string hidden = 3 [json_name = "taken"];
  string HTTPStatus = 4; string _odd__name_ = 5; string self = 6; string class = 7; string taken_too = 8;
}}
"""

PROTO2 = f"""
syntax = "proto2"; package two; {_IMPORTS}
enum Shut {{ option allow_alias = true; NONE = 0; SOME = 2; SAME = 2; }}
message Inner {{ required int32 id = 1; optional Shut shut = 2 [default = SOME]; }}
message Old {{
  {_fields(SCALARS, "optional {kind} {name} = {number};")}
  optional int32 preset = 30 [default = 7]; repeated int32 packed = 31 [packed = true]; optional Shut shut = 32;
  repeated Shut shuts = 33; optional Inner inner = 34; map<string, Shut> by_name = 35;
  optional group Pair = 36 {{ optional string left = 1; optional string right = 2; }}
  repeated group Pairs = 37 {{ optional string left = 1; }}
  oneof choice {{ string one = 38; int32 two = 39; }}
  extensions 100 to 200;
}}
extend Old {{ optional int32 number_ext = 100; optional Inner inner_ext = 101; repeated string list_ext = 102; }}
message Holder {{ extend Old {{ optional Holder held = 110; }} optional string name = 1; }}
"""

EDITION = """
edition = "2023"; package ed;
enum Open { OPEN_NONE = 0; OPEN_ONE = 1; }
enum Closed { option features.enum_type = CLOSED; CLOSED_A = 0; CLOSED_B = 2; }
message Modern {
  int32 known = 1; string implicit = 2 [features.field_presence = IMPLICIT]; Open open = 3; Closed closed = 4;
  repeated int32 expanded = 5 [features.repeated_field_encoding = EXPANDED];
  Modern delimited = 6 [features.message_encoding = DELIMITED]; map<string, Closed> by_name = 7;
  double signed = 8 [features.field_presence = IMPLICIT]; int64 needed = 9; oneof pick { string p = 10; bytes q = 11; }
}
"""

ROOTS = ("Small", "Scalars", "Optionals", "Lists", "Keys", "MapValues", "WellKnown", "WellKnownLists", "Choices")
MESSAGES = (*(f"three.{name}" for name in ROOTS), "three.Names", "two.Old", "ed.Modern")


@cache
def pool() -> DescriptorPool:
    """Return the pool, which is not protobuf's own."""
    own = Path(google.protobuf.__file__).parent.parent.parent
    grpc_own = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("three", PROTO3), ("two", PROTO2), ("ed", EDITION)):
            (Path(folder) / f"{name}.proto").write_text(text)
        out = Path(folder) / "out"
        includes = [f"-I{path}" for path in (folder, own, grpc_own)]
        files = [f"{name}.proto" for name in ("three", "two", "ed")]
        assert protoc.main(["", *includes, "--include_imports", f"--descriptor_set_out={out}", *files]) == 0
        made = DescriptorPool()
        for file in FileDescriptorSet.FromString(out.read_bytes()).file:
            made.AddSerializedFile(file.SerializeToString())
    return made


def descriptor(name: str) -> Descriptor:
    return pool().FindMessageTypeByName(name)


def new(name: str, **fields: Any) -> Any:
    """Return a message by its full name."""
    return GetMessageClass(descriptor(name))(**fields)
