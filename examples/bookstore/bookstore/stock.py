"""The books every instance begins with, and their covers."""

from __future__ import annotations

from html import escape

from bookstore.store import Store
from bookstore.v1 import bookstore_pb2 as pb

_SHELVES = {"fiction": "Fiction", "science": "Science", "travel": "Travel"}
_BOOKS = (
    ("fiction", "Middlemarch", "George Eliot", 1871, ("village", "marriage"), 1290, 4, 4.6),
    ("fiction", "Moby-Dick", "Herman Melville", 1851, ("sea", "whales"), 1490, 7, 4.1),
    ("fiction", "The Time Machine", "H. G. Wells", 1895, ("time", "future"), 790, 12, 4.2),
    ("fiction", "First Folio", "William Shakespeare", 1623, ("theatre",), 999_999_00, 0, 5.0),
    ("science", "On the Origin of Species", "Charles Darwin", 1859, ("nature", "sea"), 1690, 3, 4.4),
    ("science", "The Voyage of the Beagle", "Charles Darwin", 1839, ("nature", "sea", "travel"), 1390, 5, 4.3),
    ("science", "Sidereus Nuncius", "Galileo Galilei", 1610, ("sky", "future"), 2490, 1, 4.0),
    ("travel", "Roughing It", "Mark Twain", 1872, ("travel", "village"), 990, 9, 3.9),
    ("travel", "Italian Journey", "Johann Wolfgang von Goethe", 1816, ("travel", "theatre"), 1190, 2, None),
)


def fill(store: Store) -> None:
    """Put the shelves and books of a new instance into `store`."""
    for shelf_id, theme in _SHELVES.items():
        store.create_shelf(shelf_id, pb.Shelf(theme=theme))
    for shelf_id, title, author, year, subjects, price, copies, rating in _BOOKS:
        book = pb.Book(
            title=title,
            author=author,
            year=year,
            subjects=subjects,
            format=pb.Book.FORMAT_HARDCOVER if price > 1400 else pb.Book.FORMAT_PAPERBACK,
            price_cents=price,
            copies=copies,
            rating=rating,
        )
        store.create_book(f"shelves/{shelf_id}", "", book)


def cover(book: pb.Book) -> bytes:
    """Return the picture on the front of a book, as SVG."""
    hue = sum(book.title.encode()) % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="360" font-family="serif" text-anchor="middle">'
        f'<rect width="240" height="360" rx="6" fill="hsl({hue} 45% 35%)"/>'
        f'<text x="120" y="130" fill="white" font-size="22">{escape(book.title)}</text>'
        f'<text x="120" y="300" fill="white" font-size="14">{escape(book.author)}</text>'
        "</svg>"
    ).encode()
