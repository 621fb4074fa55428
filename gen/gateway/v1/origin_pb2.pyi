from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Origin(_message.Message):
    __slots__ = ("kind", "file", "line")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Origin.Kind]
        KIND_API: _ClassVar[Origin.Kind]
        KIND_FILE: _ClassVar[Origin.Kind]
    KIND_UNSPECIFIED: Origin.Kind
    KIND_API: Origin.Kind
    KIND_FILE: Origin.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    kind: Origin.Kind
    file: str
    line: int
    def __init__(self, kind: _Optional[_Union[Origin.Kind, str]] = ..., file: _Optional[str] = ..., line: _Optional[int] = ...) -> None: ...
