"""The shelves and books of one instance, in memory. Nothing here knows gRPC."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from bookstore import problems
from bookstore.v1 import bookstore_pb2 as pb

_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_DEFAULT_PAGE, _LARGEST_PAGE = 50, 1000
_OUTPUT_ONLY = frozenset(("name", "book_count", "update_time", "etag"))
_WATCH_BUFFER = 256
Resource = TypeVar("Resource", pb.Shelf, pb.Book)


class Lagging(Exception):
    """A watcher did not keep up."""


class Closing(Exception):
    """The store is closing."""


class Watch:
    """What happens on one shelf, until it is closed."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[pb.WatchShelfResponse | None] = asyncio.Queue()
        self._lagging = False

    def put(self, event: pb.WatchShelfResponse) -> None:
        """Add an event, or remember that there were too many of them."""
        if self._events.qsize() >= _WATCH_BUFFER:
            self._lagging = True
        else:
            self._events.put_nowait(event)

    def close(self) -> None:
        """End the watch after the events it has."""
        self._events.put_nowait(None)

    async def next(self) -> pb.WatchShelfResponse:
        """Wait for the next event.

        Raises:
            Lagging: Events were lost.
            Closing: There will be no more.
        """
        if self._lagging and self._events.empty():
            raise Lagging
        if (event := await self._events.get()) is None:
            raise Closing
        return event


class Store:
    """Shelves with books. What it returns are copies; what it is given is copied."""

    def __init__(self) -> None:
        self._shelves: dict[str, pb.Shelf] = {}
        self._books: dict[str, pb.Book] = {}
        self._watches: dict[str, set[Watch]] = {}

    def shelf(self, name: str) -> pb.Shelf:
        """Return a shelf."""
        if (found := self._shelves.get(name)) is None:
            raise problems.not_found("Shelf", name)
        shelf = _copy(found)
        shelf.book_count = sum(1 for _ in self._on(name))
        return shelf

    def shelves(self, page_size: int, page_token: str) -> tuple[list[pb.Shelf], str]:
        """Return a page of shelves and the token of the next one."""
        names, token = _page(sorted(self._shelves), page_size, page_token, "")
        return [self.shelf(name) for name in names], token

    def create_shelf(self, shelf_id: str, given: pb.Shelf) -> pb.Shelf:
        """Add a shelf."""
        name = f"shelves/{_identifier('shelf_id', shelf_id)}"
        _required("shelf", given, "theme")
        if name in self._shelves:
            raise problems.exists("Shelf", name)
        self._shelves[name] = pb.Shelf(name=name, theme=given.theme)
        return self.shelf(name)

    def update_shelf(self, given: pb.Shelf, mask: FieldMask) -> pb.Shelf:
        """Change the fields of a shelf that the mask names."""
        changed = self.shelf(given.name)
        _merge("shelf", mask, given, changed)
        _required("shelf", changed, "theme")
        self._shelves[given.name] = changed
        return self.shelf(given.name)

    def delete_shelf(self, name: str, *, force: bool) -> None:
        """Remove a shelf, with its books when `force` is set."""
        self.shelf(name)
        books = list(self._on(name))
        if books and not force:
            raise problems.not_empty(name, len(books))
        for book in books:
            self.delete_book(book.name)
        del self._shelves[name]

    def book(self, name: str) -> pb.Book:
        """Return a book."""
        if (found := self._books.get(name)) is None:
            raise problems.not_found("Book", name)
        return _copy(found)

    def books(self, parent: str, *, author: str = "", subjects: Iterable[str] = ()) -> list[pb.Book]:
        """Return the books of one shelf, or of every shelf, by name."""
        wanted = set(subjects)
        if parent not in ("", "shelves/-"):
            self.shelf(parent)
        else:
            parent = ""
        return [
            _copy(book)
            for book in self._on(parent)
            if (not author or book.author == author) and (not wanted or wanted.intersection(book.subjects))
        ]

    def page_of_books(self, request: pb.ListBooksRequest) -> tuple[list[pb.Book], str]:
        """Return a page of books and the token of the next one."""
        found = {
            book.name: book for book in self.books(request.parent, author=request.author, subjects=request.subjects)
        }
        query = f"{request.parent}|{request.author}|{','.join(request.subjects)}"
        names, token = _page(list(found), request.page_size, request.page_token, query)
        return [found[name] for name in names], token

    def create_book(self, parent: str, book_id: str, given: pb.Book) -> pb.Book:
        """Put a book on a shelf."""
        self.shelf(parent)
        _required("book", given, "title", "author")
        name = f"{parent}/books/{_identifier('book_id', book_id or slug(given.title))}"
        if name in self._books:
            raise problems.exists("Book", name)
        book = _copy(given)
        book.name = name
        return self._put(book, pb.WatchShelfResponse.KIND_CREATED)

    def update_book(self, given: pb.Book, mask: FieldMask) -> pb.Book:
        """Change the fields of a book that the mask names."""
        changed = self.book(given.name)
        if given.etag and given.etag != changed.etag:
            raise problems.stale(given.name)
        _merge("book", mask, given, changed)
        _required("book", changed, "title", "author")
        return self._put(changed, pb.WatchShelfResponse.KIND_UPDATED)

    def delete_book(self, name: str) -> None:
        """Take a book away."""
        book = self.book(name)
        del self._books[name]
        self._tell(pb.WatchShelfResponse.KIND_DELETED, book)

    def take(self, name: str, copies: int) -> pb.Book:
        """Take copies of a book and return what is left. The caller has made sure that there are enough."""
        book = self.book(name)
        book.copies -= copies
        return self._put(book, pb.WatchShelfResponse.KIND_UPDATED)

    @contextmanager
    def watch(self, name: str) -> Iterator[Watch]:
        """Watch a shelf, beginning with the books on it."""
        self.shelf(name)
        watch = Watch()
        for book in self._on(name):
            watch.put(pb.WatchShelfResponse(kind=pb.WatchShelfResponse.KIND_PRESENT, book=book))
        self._watches.setdefault(name, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[name].discard(watch)

    def close(self) -> None:
        """End every watch."""
        for watches in self._watches.values():
            for watch in watches:
                watch.close()

    def _on(self, shelf: str) -> Iterator[pb.Book]:
        prefix = f"{shelf}/books/" if shelf else ""
        return (self._books[name] for name in sorted(self._books) if name.startswith(prefix))

    def _put(self, book: pb.Book, kind: pb.WatchShelfResponse.Kind) -> pb.Book:
        book.etag = ""
        book.update_time.GetCurrentTime()
        book.etag = hashlib.sha256(book.SerializeToString(deterministic=True)).hexdigest()[:16]
        self._books[book.name] = book
        self._tell(kind, book)
        return _copy(book)

    def _tell(self, kind: pb.WatchShelfResponse.Kind, book: pb.Book) -> None:
        event = pb.WatchShelfResponse(kind=kind, book=book)
        for watch in self._watches.get(book.name.rpartition("/books/")[0], ()):
            watch.put(event)


def slug(title: str) -> str:
    """Return a name's last segment made from a title."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:64].strip("-")


def _copy(message: Resource) -> Resource:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _identifier(field: str, value: str) -> str:
    if not _ID.fullmatch(value):
        raise problems.invalid(field, f"{value!r} is not 1 to 64 lower-case letters, digits and inner hyphens")
    return value


def _required(path: str, message: Message, *fields: str) -> None:
    for field in fields:
        if not getattr(message, field):
            raise problems.invalid(f"{path}.{field}", "has to be set")


def _merge(path: str, mask: FieldMask, given: Resource, into: Resource) -> None:
    known = {field.name for field in given.DESCRIPTOR.fields} - _OUTPUT_ONLY
    if list(mask.paths) == ["*"]:
        wanted = known
    elif mask.paths:
        wanted = set(mask.paths) - _OUTPUT_ONLY
    else:
        wanted = {field.name for field, _ in given.ListFields()} & known
    for field in sorted(wanted):
        if field not in known:
            raise problems.invalid("update_mask", f"{path} has no field {field!r}; it has {', '.join(sorted(known))}")
    source = _copy(given)
    for field in {field.name for field in given.DESCRIPTOR.fields} - wanted:
        source.ClearField(field)
    for field in wanted:
        into.ClearField(field)
    into.MergeFrom(source)


def _page(names: list[str], size: int, token: str, query: str) -> tuple[list[str], str]:
    if size < 0:
        raise problems.invalid("page_size", "is negative")
    size = min(size or _DEFAULT_PAGE, _LARGEST_PAGE)
    if token:
        try:
            last, _, of = base64.urlsafe_b64decode(token).decode().partition("\n")
        except (binascii.Error, ValueError):
            raise problems.invalid("page_token", "is not a token of this service") from None
        if of != query:
            raise problems.invalid(
                "page_token", "belongs to another list: everything but the token has to stay the same"
            )
        names = [name for name in names if name > last]
    page = names[:size]
    more = len(names) > size
    return page, base64.urlsafe_b64encode(f"{page[-1]}\n{query}".encode()).decode() if more else ""
