"""BookstoreService on grpc.aio: requests in, the store asked, answers and refusals out."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar

import grpc
from google.api import httpbody_pb2
from google.protobuf.empty_pb2 import Empty

from bookstore import problems, stock
from bookstore.store import Closing, Lagging, Store
from bookstore.v1 import bookstore_pb2 as pb
from bookstore.v1 import bookstore_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
Request = TypeVar("Request")
Response = TypeVar("Response")
_RESTOCK = datetime.timedelta(minutes=1)


def _unary(
    method: Callable[[BookstoreService, Request], Response],
) -> Callable[[BookstoreService, Request, Context], Awaitable[Response]]:
    """Make a gRPC method of one that only computes: say who serves it and turn a problem into a status."""

    @wraps(method)
    async def call(self: BookstoreService, request: Request, context: Context) -> Response:
        await self.introduce(context)
        try:
            return method(self, request)
        except problems.Problem as problem:
            return await _refuse(context, problem)

    return call


async def _refuse(context: Context, problem: problems.Problem) -> NoReturn:
    await context.abort(problem.code, problem.message, problem.trailers())


class BookstoreService(bookstore_pb2_grpc.BookstoreServiceServicer):
    """One instance of the bookstore.

    Args:
        name: What the instance is called; every answer has it as `x-served-by`.
        store: The shelves and books.
    """

    def __init__(self, name: str, store: Store) -> None:
        self._name = name
        self._store = store

    async def introduce(self, context: Context) -> None:
        """Tell the caller at once which instance serves it."""
        await context.send_initial_metadata((("x-served-by", self._name),))

    @_unary
    def GetShelf(self, request: pb.GetShelfRequest) -> pb.Shelf:  # noqa: N802
        """Get a shelf."""
        return self._store.shelf(request.name)

    @_unary
    def ListShelves(self, request: pb.ListShelvesRequest) -> pb.ListShelvesResponse:  # noqa: N802
        """List shelves."""
        shelves, token = self._store.shelves(request.page_size, request.page_token)
        return pb.ListShelvesResponse(shelves=shelves, next_page_token=token)

    @_unary
    def CreateShelf(self, request: pb.CreateShelfRequest) -> pb.Shelf:  # noqa: N802
        """Create a shelf."""
        return self._store.create_shelf(request.shelf_id, request.shelf)

    @_unary
    def UpdateShelf(self, request: pb.UpdateShelfRequest) -> pb.Shelf:  # noqa: N802
        """Update a shelf."""
        return self._store.update_shelf(request.shelf, request.update_mask)

    @_unary
    def DeleteShelf(self, request: pb.DeleteShelfRequest) -> Empty:  # noqa: N802
        """Delete a shelf."""
        self._store.delete_shelf(request.name, force=request.force)
        return Empty()

    @_unary
    def GetBook(self, request: pb.GetBookRequest) -> pb.Book:  # noqa: N802
        """Get a book."""
        return self._store.book(request.name)

    @_unary
    def ListBooks(self, request: pb.ListBooksRequest) -> pb.ListBooksResponse:  # noqa: N802
        """List books."""
        books, token = self._store.page_of_books(request)
        return pb.ListBooksResponse(books=books, next_page_token=token)

    @_unary
    def CreateBook(self, request: pb.CreateBookRequest) -> pb.Book:  # noqa: N802
        """Create a book."""
        return self._store.create_book(request.parent, request.book_id, request.book)

    @_unary
    def UpdateBook(self, request: pb.UpdateBookRequest) -> pb.Book:  # noqa: N802
        """Update a book."""
        return self._store.update_book(request.book, request.update_mask)

    @_unary
    def DeleteBook(self, request: pb.DeleteBookRequest) -> Empty:  # noqa: N802
        """Delete a book."""
        self._store.delete_book(request.name)
        return Empty()

    @_unary
    def OrderBook(self, request: pb.OrderBookRequest) -> pb.OrderBookResponse:  # noqa: N802
        """Order copies of a book."""
        if request.copies < 0:
            raise problems.invalid("copies", "is negative")
        copies = request.copies or 1
        book = self._store.book(request.name)
        if copies > book.copies:
            raise problems.out_of_stock(book.name, copies, book.copies, _RESTOCK)
        left = self._store.take(book.name, copies)
        return pb.OrderBookResponse(total_cents=copies * book.price_cents, copies_left=left.copies)

    @_unary
    def GetBookCover(self, request: pb.GetBookCoverRequest) -> httpbody_pb2.HttpBody:  # noqa: N802
        """Get the cover of a book."""
        picture = stock.cover(self._store.book(request.name))
        return httpbody_pb2.HttpBody(content_type="image/svg+xml", data=picture)

    async def StreamBooks(self, request: pb.StreamBooksRequest, context: Context) -> AsyncIterator[pb.Book]:  # noqa: N802
        """Send every book."""
        await self.introduce(context)
        try:
            for book in self._store.books(request.parent):
                yield book
        except problems.Problem as problem:
            await _refuse(context, problem)

    async def WatchShelf(  # noqa: N802
        self, request: pb.WatchShelfRequest, context: Context
    ) -> AsyncIterator[pb.WatchShelfResponse]:
        """Send what happens on a shelf."""
        await self.introduce(context)
        try:
            with self._store.watch(request.name) as watch:
                sent = 0
                while not request.max_events or sent < request.max_events:
                    yield await watch.next()
                    sent += 1
        except problems.Problem as problem:
            await _refuse(context, problem)
        except Lagging:
            await context.abort(grpc.StatusCode.DATA_LOSS, "too slow: events were lost, watch again")
        except Closing:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the bookstore closes, watch again")

    async def ImportBooks(  # noqa: N802
        self, requests: AsyncIterator[pb.ImportBooksRequest], context: Context
    ) -> pb.ImportBooksResponse:
        """Take many books. Those before one that is refused stay."""
        await self.introduce(context)
        answer = pb.ImportBooksResponse()
        try:
            async for request in requests:
                try:
                    book = self._store.create_book(request.parent, "", request.book)
                except problems.Problem as problem:
                    if problem.code is not grpc.StatusCode.ALREADY_EXISTS:
                        raise
                    answer.skipped_count += 1
                else:
                    answer.imported_count += 1
                    answer.names.append(book.name)
        except problems.Problem as problem:
            await _refuse(context, problem)
        return answer

    async def RecommendBooks(  # noqa: N802
        self, requests: AsyncIterator[pb.RecommendBooksRequest], context: Context
    ) -> AsyncIterator[pb.RecommendBooksResponse]:
        """Answer each subject with a book that was not named before, the best first."""
        await self.introduce(context)
        named: set[str] = set()
        async for request in requests:
            if not request.subject:
                await _refuse(context, problems.invalid("subject", "has to be set"))
            fitting = self._store.books("", subjects=(request.subject,))
            fresh = [book for book in fitting if book.name not in named]
            if not fresh:
                reason = "you have heard of all of them" if fitting else "nobody wrote about that"
                yield pb.RecommendBooksResponse(subject=request.subject, reason=reason)
                continue
            best = max(fresh, key=lambda book: book.rating)
            named.add(best.name)
            reason = f"readers give it {best.rating:g} of 5" if best.HasField("rating") else "be the first to rate it"
            yield pb.RecommendBooksResponse(subject=request.subject, book=best, reason=reason)
