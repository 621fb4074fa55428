"""The bookstore as a process, called by a plain grpcio client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from bookstore.v1 import bookstore_pb2 as pb

FOLIO = "shelves/fiction/books/first-folio"


@pytest.fixture
async def shelf(stub: Any, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A shelf of the test's own."""
    shelf_id = request.node.name.replace("_", "-")[:60].lower().strip("-")
    made = await stub.CreateShelf(pb.CreateShelfRequest(shelf_id=shelf_id, shelf=pb.Shelf(theme="Test")))
    yield made.name
    await stub.DeleteShelf(pb.DeleteShelfRequest(name=made.name, force=True))


async def put(stub: Any, shelf: str, title: str, **fields: Any) -> pb.Book:
    book = pb.Book(title=title, author="A", **fields)
    made: pb.Book = await stub.CreateBook(pb.CreateBookRequest(parent=shelf, book=book))
    return made


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of an error by the name of their type."""
    status = rpc_status.from_call(error)
    if status is None:
        return {}
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found = {}
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        assert packed.Unpack(message)
        found[message.DESCRIPTOR.name] = message
    return found


async def refusal(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), details(caught.value)


async def test_every_answer_says_which_instance_it_is_from(stub: Any) -> None:
    call = stub.GetShelf(pb.GetShelfRequest(name="shelves/fiction"))
    assert (await call.initial_metadata())["x-served-by"] == "one"
    found = await call
    assert (found.theme, found.book_count >= 4) == ("Fiction", True)
    refused = stub.GetShelf(pb.GetShelfRequest(name="shelves/nowhere"))
    assert await refused.code() is grpc.StatusCode.NOT_FOUND
    assert (await refused.initial_metadata())["x-served-by"] == "one"


async def test_shelves_are_created_changed_listed_and_deleted(stub: Any, shelf: str) -> None:
    update = pb.UpdateShelfRequest(shelf=pb.Shelf(name=shelf, theme="New"), update_mask=FieldMask(paths=["theme"]))
    assert (await stub.UpdateShelf(update)).theme == "New"
    names, token = [], ""
    while True:
        page = await stub.ListShelves(pb.ListShelvesRequest(page_size=1, page_token=token))
        names += [found.name for found in page.shelves]
        if not (token := page.next_page_token):
            break
    assert names == sorted(names)
    assert shelf in names
    code, _ = await refusal(stub.CreateShelf(pb.CreateShelfRequest(shelf_id=shelf[8:], shelf=pb.Shelf(theme="B"))))
    assert code is grpc.StatusCode.ALREADY_EXISTS


async def test_a_shelf_with_books_is_not_deleted_unless_forced(stub: Any) -> None:
    await stub.CreateShelf(pb.CreateShelfRequest(shelf_id="full", shelf=pb.Shelf(theme="Full")))
    book = await put(stub, "shelves/full", "Stays")
    code, found = await refusal(stub.DeleteShelf(pb.DeleteShelfRequest(name="shelves/full")))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert found["PreconditionFailure"].violations[0].type == "NOT_EMPTY"
    await stub.DeleteShelf(pb.DeleteShelfRequest(name="shelves/full", force=True))
    code, found = await refusal(stub.GetBook(pb.GetBookRequest(name=book.name)))
    assert (code, found["ResourceInfo"].resource_name) == (grpc.StatusCode.NOT_FOUND, book.name)


async def test_books_are_created_read_and_deleted(stub: Any, shelf: str) -> None:
    made = await put(stub, shelf, "Les Misérables!", year=1862, labels={"tongue": "fr"}, rating=0.0)
    assert made.name == f"{shelf}/books/les-miserables"
    assert made.etag
    assert made.HasField("rating")
    assert await stub.GetBook(pb.GetBookRequest(name=made.name)) == made
    await stub.DeleteBook(pb.DeleteBookRequest(name=made.name))
    assert (await refusal(stub.GetBook(pb.GetBookRequest(name=made.name))))[0] is grpc.StatusCode.NOT_FOUND


async def test_an_update_changes_what_its_mask_names(stub: Any, shelf: str) -> None:
    made = await put(stub, shelf, "Before", year=1900, subjects=["a", "b"], labels={"x": "1"})
    change = pb.Book(name=made.name, title="After", year=1, subjects=["c"])
    masked = await stub.UpdateBook(pb.UpdateBookRequest(book=change, update_mask=FieldMask(paths=["title", "labels"])))
    assert (masked.title, masked.year, list(masked.subjects), dict(masked.labels)) == ("After", 1900, ["a", "b"], {})
    unmasked = await stub.UpdateBook(pb.UpdateBookRequest(book=pb.Book(name=made.name, subjects=["d"])))
    assert (unmasked.title, list(unmasked.subjects)) == ("After", ["d"])
    whole = pb.Book(name=made.name, title="Whole", author="B")
    replaced = await stub.UpdateBook(pb.UpdateBookRequest(book=whole, update_mask=FieldMask(paths=["*"])))
    assert (replaced.title, replaced.year, len(replaced.subjects)) == ("Whole", 0, 0)
    assert len({made.etag, masked.etag, unmasked.etag, replaced.etag}) == 4


async def test_an_update_with_a_stale_etag_or_a_strange_mask_is_refused(stub: Any, shelf: str) -> None:
    made = await put(stub, shelf, "Read twice")
    await stub.UpdateBook(pb.UpdateBookRequest(book=pb.Book(name=made.name, etag=made.etag, year=1)))
    stale = stub.UpdateBook(pb.UpdateBookRequest(book=pb.Book(name=made.name, etag=made.etag, year=2)))
    code, found = await refusal(stale)
    assert (code, found["ErrorInfo"].reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    strange = pb.UpdateBookRequest(book=pb.Book(name=made.name), update_mask=FieldMask(paths=["pages"]))
    code, found = await refusal(stub.UpdateBook(strange))
    assert (code, found["BadRequest"].field_violations[0].field) == (grpc.StatusCode.INVALID_ARGUMENT, "update_mask")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.CreateBookRequest(parent="shelves/fiction", book=pb.Book(author="A")), "book.title"),
        (pb.CreateBookRequest(parent="shelves/fiction", book=pb.Book(title="T")), "book.author"),
        (pb.CreateBookRequest(parent="shelves/fiction", book_id="A b", book=pb.Book(title="T", author="A")), "book_id"),
    ],
)
async def test_a_book_that_is_wrong_is_refused_with_the_field(
    stub: Any, request_: pb.CreateBookRequest, field: str
) -> None:
    code, found = await refusal(stub.CreateBook(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in found["BadRequest"].field_violations] == [field]
    assert found["ErrorInfo"].metadata["field"] == field


async def test_books_are_listed_in_pages(stub: Any, shelf: str) -> None:
    made = [
        (await put(stub, shelf, f"Book {number}", subjects=["odd"] if number % 2 else [])).name for number in range(5)
    ]
    names, token, pages = [], "", 0
    while True:
        page = await stub.ListBooks(pb.ListBooksRequest(parent=shelf, page_size=2, page_token=token))
        names += [book.name for book in page.books]
        pages += 1
        if not (token := page.next_page_token):
            break
        kept = token
    assert (names, pages) == (made, 3)
    odd = await stub.ListBooks(pb.ListBooksRequest(parent=shelf, subjects=["odd"]))
    assert [book.title for book in odd.books] == ["Book 1", "Book 3"]
    everything = await stub.ListBooks(pb.ListBooksRequest(parent="shelves/-", page_size=1000))
    assert set(made) < {book.name for book in everything.books}
    for request in (
        pb.ListBooksRequest(parent=shelf, page_token="%%%"),
        pb.ListBooksRequest(parent=shelf, page_token=kept, author="somebody else"),
        pb.ListBooksRequest(parent=shelf, page_size=-1),
    ):
        assert (await refusal(stub.ListBooks(request)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_orders_end_with_rich_details_when_it_is_sold_out(stub: Any, shelf: str) -> None:
    book = await put(stub, shelf, "Two left", copies=2, price_cents=500)
    sold = await stub.OrderBook(pb.OrderBookRequest(name=book.name, copies=2))
    assert (sold.total_cents, sold.copies_left) == (1000, 0)
    code, found = await refusal(stub.OrderBook(pb.OrderBookRequest(name=book.name)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert set(found) == {"ErrorInfo", "PreconditionFailure", "RetryInfo", "Help", "LocalizedMessage"}
    assert (found["ErrorInfo"].reason, found["ErrorInfo"].domain) == ("OUT_OF_STOCK", "bookstore.example.com")
    assert dict(found["ErrorInfo"].metadata) == {"name": book.name, "wanted": "1", "left": "0"}
    assert found["RetryInfo"].retry_delay.seconds == 60
    code, _ = await refusal(stub.OrderBook(pb.OrderBookRequest(name=FOLIO, copies=-1)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_cover_is_a_picture(stub: Any) -> None:
    cover = await stub.GetBookCover(pb.GetBookCoverRequest(name=FOLIO))
    assert cover.content_type == "image/svg+xml"
    assert cover.data.startswith(b"<svg")
    assert b"First Folio" in cover.data


async def test_a_server_stream_sends_every_book(stub: Any) -> None:
    titles = [book.title async for book in stub.StreamBooks(pb.StreamBooksRequest(parent="shelves/science"))]
    assert titles == ["On the Origin of Species", "Sidereus Nuncius", "The Voyage of the Beagle"]
    code, _ = await refusal(stub.StreamBooks(pb.StreamBooksRequest(parent="shelves/nowhere")).read())
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_watch_begins_with_what_is_there_and_goes_on(stub: Any, shelf: str) -> None:
    first = await put(stub, shelf, "First")
    watch = stub.WatchShelf(pb.WatchShelfRequest(name=shelf, max_events=4))
    kinds = pb.WatchShelfResponse
    assert await watch.read() == kinds(kind=kinds.KIND_PRESENT, book=first)
    second = await put(stub, shelf, "Second")
    assert await watch.read() == kinds(kind=kinds.KIND_CREATED, book=second)
    changed = await stub.UpdateBook(pb.UpdateBookRequest(book=pb.Book(name=second.name, year=1)))
    assert await watch.read() == kinds(kind=kinds.KIND_UPDATED, book=changed)
    await stub.DeleteBook(pb.DeleteBookRequest(name=first.name))
    assert await watch.read() == kinds(kind=kinds.KIND_DELETED, book=first)
    assert await watch.read() is grpc.aio.EOF


async def test_a_client_stream_is_counted(stub: Any, shelf: str) -> None:
    async def books(*titles: str) -> AsyncIterator[pb.ImportBooksRequest]:
        for title in titles:
            yield pb.ImportBooksRequest(parent=shelf, book=pb.Book(title=title, author="A"))

    report = await stub.ImportBooks(books("One", "Two", "One"))
    assert (report.imported_count, report.skipped_count) == (2, 1)
    assert list(report.names) == [f"{shelf}/books/one", f"{shelf}/books/two"]
    assert await stub.ImportBooks(books()) == pb.ImportBooksResponse()
    code, found = await refusal(stub.ImportBooks(books("Three", "")))
    assert (code, found["ErrorInfo"].metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "book.title")


async def test_both_ways_each_question_has_its_answer_before_the_next(stub: Any) -> None:
    call = stub.RecommendBooks()
    titles = []
    for subject in ("sea", "sea", "whales", "whales", "tulips"):
        await call.write(pb.RecommendBooksRequest(subject=subject))
        answer = await call.read()
        assert answer.subject == subject
        titles.append(answer.book.title if answer.HasField("book") else answer.reason)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert titles == [
        "On the Origin of Species",
        "The Voyage of the Beagle",
        "Moby-Dick",
        "you have heard of all of them",
        "nobody wrote about that",
    ]
    broken = stub.RecommendBooks()
    await broken.write(pb.RecommendBooksRequest())
    assert (await refusal(broken.read()))[0] is grpc.StatusCode.INVALID_ARGUMENT
