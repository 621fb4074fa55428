from gateway.v1 import config_pb2 as _config_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import field_info_pb2 as _field_info_pb2
from google.api import resource_pb2 as _resource_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetConfigRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ApplyConfigRequest(_message.Message):
    __slots__ = ("config", "merge", "request_id", "validate_only")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    MERGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    config: _config_pb2.Config
    merge: bool
    request_id: str
    validate_only: bool
    def __init__(self, config: _Optional[_Union[_config_pb2.Config, _Mapping]] = ..., merge: bool = ..., request_id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class ApplyConfigResponse(_message.Message):
    __slots__ = ("config", "changes")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    config: _config_pb2.Config
    changes: _containers.RepeatedCompositeFieldContainer[_config_pb2.ResourceChange]
    def __init__(self, config: _Optional[_Union[_config_pb2.Config, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[_config_pb2.ResourceChange, _Mapping]]] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("revisions", "next_page_token")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[_config_pb2.Revision]
    next_page_token: str
    def __init__(self, revisions: _Optional[_Iterable[_Union[_config_pb2.Revision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetRevisionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class RollbackConfigRequest(_message.Message):
    __slots__ = ("name", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class WatchConfigRequest(_message.Message):
    __slots__ = ("subscribe", "acknowledge")
    class Subscribe(_message.Message):
        __slots__ = ("node_id", "revision")
        NODE_ID_FIELD_NUMBER: _ClassVar[int]
        REVISION_FIELD_NUMBER: _ClassVar[int]
        node_id: str
        revision: int
        def __init__(self, node_id: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...
    class Acknowledge(_message.Message):
        __slots__ = ("nonce", "error")
        NONCE_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        nonce: str
        error: _status_pb2.Status
        def __init__(self, nonce: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGE_FIELD_NUMBER: _ClassVar[int]
    subscribe: WatchConfigRequest.Subscribe
    acknowledge: WatchConfigRequest.Acknowledge
    def __init__(self, subscribe: _Optional[_Union[WatchConfigRequest.Subscribe, _Mapping]] = ..., acknowledge: _Optional[_Union[WatchConfigRequest.Acknowledge, _Mapping]] = ...) -> None: ...

class WatchConfigResponse(_message.Message):
    __slots__ = ("config", "nonce")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    config: _config_pb2.Config
    nonce: str
    def __init__(self, config: _Optional[_Union[_config_pb2.Config, _Mapping]] = ..., nonce: _Optional[str] = ...) -> None: ...
