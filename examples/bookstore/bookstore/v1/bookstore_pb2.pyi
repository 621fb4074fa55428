import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.api import client_pb2 as _client_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.api import resource_pb2 as _resource_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Shelf(_message.Message):
    __slots__ = ("name", "theme", "book_count")
    NAME_FIELD_NUMBER: _ClassVar[int]
    THEME_FIELD_NUMBER: _ClassVar[int]
    BOOK_COUNT_FIELD_NUMBER: _ClassVar[int]
    name: str
    theme: str
    book_count: int
    def __init__(self, name: _Optional[str] = ..., theme: _Optional[str] = ..., book_count: _Optional[int] = ...) -> None: ...

class Book(_message.Message):
    __slots__ = ("name", "title", "author", "year", "subjects", "format", "price_cents", "copies", "rating", "labels", "update_time", "etag")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[Book.Format]
        FORMAT_HARDCOVER: _ClassVar[Book.Format]
        FORMAT_PAPERBACK: _ClassVar[Book.Format]
        FORMAT_EBOOK: _ClassVar[Book.Format]
    FORMAT_UNSPECIFIED: Book.Format
    FORMAT_HARDCOVER: Book.Format
    FORMAT_PAPERBACK: Book.Format
    FORMAT_EBOOK: Book.Format
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    YEAR_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PRICE_CENTS_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    author: str
    year: int
    subjects: _containers.RepeatedScalarFieldContainer[str]
    format: Book.Format
    price_cents: int
    copies: int
    rating: float
    labels: _containers.ScalarMap[str, str]
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., author: _Optional[str] = ..., year: _Optional[int] = ..., subjects: _Optional[_Iterable[str]] = ..., format: _Optional[_Union[Book.Format, str]] = ..., price_cents: _Optional[int] = ..., copies: _Optional[int] = ..., rating: _Optional[float] = ..., labels: _Optional[_Mapping[str, str]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class GetShelfRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListShelvesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListShelvesResponse(_message.Message):
    __slots__ = ("shelves", "next_page_token")
    SHELVES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shelves: _containers.RepeatedCompositeFieldContainer[Shelf]
    next_page_token: str
    def __init__(self, shelves: _Optional[_Iterable[_Union[Shelf, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateShelfRequest(_message.Message):
    __slots__ = ("shelf_id", "shelf")
    SHELF_ID_FIELD_NUMBER: _ClassVar[int]
    SHELF_FIELD_NUMBER: _ClassVar[int]
    shelf_id: str
    shelf: Shelf
    def __init__(self, shelf_id: _Optional[str] = ..., shelf: _Optional[_Union[Shelf, _Mapping]] = ...) -> None: ...

class UpdateShelfRequest(_message.Message):
    __slots__ = ("shelf", "update_mask")
    SHELF_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    shelf: Shelf
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, shelf: _Optional[_Union[Shelf, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteShelfRequest(_message.Message):
    __slots__ = ("name", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    force: bool
    def __init__(self, name: _Optional[str] = ..., force: bool = ...) -> None: ...

class GetBookRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListBooksRequest(_message.Message):
    __slots__ = ("parent", "page_size", "page_token", "author", "subjects")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    parent: str
    page_size: int
    page_token: str
    author: str
    subjects: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, parent: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., author: _Optional[str] = ..., subjects: _Optional[_Iterable[str]] = ...) -> None: ...

class ListBooksResponse(_message.Message):
    __slots__ = ("books", "next_page_token")
    BOOKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    books: _containers.RepeatedCompositeFieldContainer[Book]
    next_page_token: str
    def __init__(self, books: _Optional[_Iterable[_Union[Book, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateBookRequest(_message.Message):
    __slots__ = ("parent", "book_id", "book")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    BOOK_ID_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    parent: str
    book_id: str
    book: Book
    def __init__(self, parent: _Optional[str] = ..., book_id: _Optional[str] = ..., book: _Optional[_Union[Book, _Mapping]] = ...) -> None: ...

class UpdateBookRequest(_message.Message):
    __slots__ = ("book", "update_mask")
    BOOK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    book: Book
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, book: _Optional[_Union[Book, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class DeleteBookRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class OrderBookRequest(_message.Message):
    __slots__ = ("name", "copies")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COPIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    copies: int
    def __init__(self, name: _Optional[str] = ..., copies: _Optional[int] = ...) -> None: ...

class OrderBookResponse(_message.Message):
    __slots__ = ("total_cents", "copies_left")
    TOTAL_CENTS_FIELD_NUMBER: _ClassVar[int]
    COPIES_LEFT_FIELD_NUMBER: _ClassVar[int]
    total_cents: int
    copies_left: int
    def __init__(self, total_cents: _Optional[int] = ..., copies_left: _Optional[int] = ...) -> None: ...

class GetBookCoverRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class StreamBooksRequest(_message.Message):
    __slots__ = ("parent",)
    PARENT_FIELD_NUMBER: _ClassVar[int]
    parent: str
    def __init__(self, parent: _Optional[str] = ...) -> None: ...

class WatchShelfRequest(_message.Message):
    __slots__ = ("name", "max_events")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    max_events: int
    def __init__(self, name: _Optional[str] = ..., max_events: _Optional[int] = ...) -> None: ...

class WatchShelfResponse(_message.Message):
    __slots__ = ("kind", "book")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[WatchShelfResponse.Kind]
        KIND_PRESENT: _ClassVar[WatchShelfResponse.Kind]
        KIND_CREATED: _ClassVar[WatchShelfResponse.Kind]
        KIND_UPDATED: _ClassVar[WatchShelfResponse.Kind]
        KIND_DELETED: _ClassVar[WatchShelfResponse.Kind]
    KIND_UNSPECIFIED: WatchShelfResponse.Kind
    KIND_PRESENT: WatchShelfResponse.Kind
    KIND_CREATED: WatchShelfResponse.Kind
    KIND_UPDATED: WatchShelfResponse.Kind
    KIND_DELETED: WatchShelfResponse.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    kind: WatchShelfResponse.Kind
    book: Book
    def __init__(self, kind: _Optional[_Union[WatchShelfResponse.Kind, str]] = ..., book: _Optional[_Union[Book, _Mapping]] = ...) -> None: ...

class ImportBooksRequest(_message.Message):
    __slots__ = ("parent", "book")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    parent: str
    book: Book
    def __init__(self, parent: _Optional[str] = ..., book: _Optional[_Union[Book, _Mapping]] = ...) -> None: ...

class ImportBooksResponse(_message.Message):
    __slots__ = ("imported_count", "skipped_count", "names")
    IMPORTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    imported_count: int
    skipped_count: int
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, imported_count: _Optional[int] = ..., skipped_count: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ...) -> None: ...

class RecommendBooksRequest(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: str
    def __init__(self, subject: _Optional[str] = ...) -> None: ...

class RecommendBooksResponse(_message.Message):
    __slots__ = ("subject", "book", "reason")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    BOOK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    subject: str
    book: Book
    reason: str
    def __init__(self, subject: _Optional[str] = ..., book: _Optional[_Union[Book, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...
