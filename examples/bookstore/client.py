"""Calls the bookstore in every way gRPC has, through the gateway or directly.

python examples/bookstore/client.py --address 127.0.0.1:8080
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from bookstore.v1 import bookstore_pb2 as pb
from bookstore.v1 import bookstore_pb2_grpc

_DETAILS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.BadRequest,
        error_details_pb2.ErrorInfo,
        error_details_pb2.Help,
        error_details_pb2.LocalizedMessage,
        error_details_pb2.PreconditionFailure,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
    )
}


def main() -> int:
    """Make the calls and return 0 when each ended as it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="127.0.0.1:8080", help="where to call (%(default)s)")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds each call may take (%(default)s)")
    arguments = parser.parse_args()
    # what the environment says about a proxy is hardly about this address
    with grpc.insecure_channel(arguments.address, (("grpc.enable_http_proxy", 0),)) as channel:
        stub = bookstore_pb2_grpc.BookstoreServiceStub(channel)  # type: ignore[no-untyped-call]
        try:
            calls(stub, arguments.timeout)
        except grpc.RpcError as error:
            print(f"{arguments.address}: {error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


def calls(stub: Any, timeout: float) -> None:
    """Make one call of each kind and show what came back."""
    shelf, call = stub.GetShelf.with_call(pb.GetShelfRequest(name="shelves/fiction"), timeout=timeout)
    print(f"unary          {shelf.theme}: {shelf.book_count} books, from {served_by(call)}")

    stream = stub.StreamBooks(pb.StreamBooksRequest(parent="shelves/science"), timeout=timeout)
    titles = [book.title for book in stream]
    print(f"server stream  {', '.join(titles)}, from {served_by(stream)}")

    report, call = stub.ImportBooks.with_call(new_books(), timeout=timeout)
    print(f"client stream  {report.imported_count} new, {report.skipped_count} known, from {served_by(call)}")

    subjects = ("sea", "sea", "future", "tulips")
    both = stub.RecommendBooks((pb.RecommendBooksRequest(subject=subject) for subject in subjects), timeout=timeout)
    for answer in both:
        title = answer.book.title if answer.HasField("book") else "nothing"
        print(f"both ways      {answer.subject}: {title}, {answer.reason}, from {served_by(both)}")

    try:
        stub.OrderBook(pb.OrderBookRequest(name="shelves/fiction/books/first-folio"), timeout=timeout)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        print(f"refused        {error.code().name}: {error.details()}")
        for detail in details(error):
            print(f"               {detail.DESCRIPTOR.name}: {' '.join(str(detail).split())}")


def new_books() -> Iterator[pb.ImportBooksRequest]:
    """Yield a book that is new, and one that every bookstore has."""
    title = f"Diary of {time.strftime('%Y-%m-%d %H.%M.%S')}"
    yield pb.ImportBooksRequest(parent="shelves/travel", book=pb.Book(title=title, author="You"))
    yield pb.ImportBooksRequest(parent="shelves/travel", book=pb.Book(title="Roughing It", author="Mark Twain"))


def served_by(call: Any) -> str:
    """Return the instance that answered."""
    return str(dict(call.initial_metadata()).get("x-served-by", "somebody"))


def details(error: Any) -> list[Message]:
    """Return the `google.rpc` details of an error."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    known = ((_DETAILS.get(packed.TypeName()), packed.value) for packed in status.details)
    return [kind.FromString(value) for kind, value in known if kind]


if __name__ == "__main__":
    sys.exit(main())
