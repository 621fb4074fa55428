from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Blob(_message.Message):
    __slots__ = ("number", "data")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    number: int
    data: bytes
    def __init__(self, number: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: bytes
    def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...

class Script(_message.Message):
    __slots__ = ("steps", "trailing")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    TRAILING_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    trailing: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ..., trailing: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("headers", "send", "read", "sleep_ms", "wait", "finish", "hang", "echo")
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SEND_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    SLEEP_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    FINISH_FIELD_NUMBER: _ClassVar[int]
    HANG_FIELD_NUMBER: _ClassVar[int]
    ECHO_FIELD_NUMBER: _ClassVar[int]
    headers: Headers
    send: Send
    read: int
    sleep_ms: int
    wait: bool
    finish: Finish
    hang: bool
    echo: bool
    def __init__(self, headers: _Optional[_Union[Headers, _Mapping]] = ..., send: _Optional[_Union[Send, _Mapping]] = ..., read: _Optional[int] = ..., sleep_ms: _Optional[int] = ..., wait: bool = ..., finish: _Optional[_Union[Finish, _Mapping]] = ..., hang: bool = ..., echo: bool = ...) -> None: ...

class Headers(_message.Message):
    __slots__ = ("entries",)
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class Send(_message.Message):
    __slots__ = ("count", "size")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    count: int
    size: int
    def __init__(self, count: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class Finish(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class CallRecord(_message.Message):
    __slots__ = ("call_id", "server", "method", "metadata", "peer", "time_remaining", "received", "sent", "half_closed", "ended", "cancelled", "attempts")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    PEER_FIELD_NUMBER: _ClassVar[int]
    TIME_REMAINING_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    HALF_CLOSED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    server: str
    method: str
    metadata: _containers.RepeatedCompositeFieldContainer[Entry]
    peer: str
    time_remaining: float
    received: int
    sent: int
    half_closed: bool
    ended: bool
    cancelled: bool
    attempts: int
    def __init__(self, call_id: _Optional[str] = ..., server: _Optional[str] = ..., method: _Optional[str] = ..., metadata: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., peer: _Optional[str] = ..., time_remaining: _Optional[float] = ..., received: _Optional[int] = ..., sent: _Optional[int] = ..., half_closed: bool = ..., ended: bool = ..., cancelled: bool = ..., attempts: _Optional[int] = ...) -> None: ...

class AwaitRequest(_message.Message):
    __slots__ = ("call_id", "received", "sent", "half_closed", "ended", "cancelled")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    HALF_CLOSED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    received: int
    sent: int
    half_closed: bool
    ended: bool
    cancelled: bool
    def __init__(self, call_id: _Optional[str] = ..., received: _Optional[int] = ..., sent: _Optional[int] = ..., half_closed: bool = ..., ended: bool = ..., cancelled: bool = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("call_id",)
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    def __init__(self, call_id: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ActiveRequest(_message.Message):
    __slots__ = ("at_most",)
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    at_most: int
    def __init__(self, at_most: _Optional[int] = ...) -> None: ...

class ActiveResponse(_message.Message):
    __slots__ = ("calls",)
    CALLS_FIELD_NUMBER: _ClassVar[int]
    calls: int
    def __init__(self, calls: _Optional[int] = ...) -> None: ...
