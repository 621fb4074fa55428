"""Names and comments as words."""

from __future__ import annotations

import pytest

from tests.transcoding.openapi.described import compiled
from transcoding.openapi.comments import Comments, first_sentence, words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GetBookCover", "Get book cover"),
        ("page_size", "Page size"),
        ("HTTPStatus", "HTTP status"),
        ("GetURL", "Get URL"),
        ("value", "Value"),
        ("x", "X"),
    ],
)
def test_names_in_words(name: str, said: str) -> None:
    assert words(name) == said


@pytest.mark.parametrize(
    ("text", "head", "rest"),
    [
        ("Gets a book.", "Gets a book", ""),
        ("Gets a\nbook. Fails with\nABORTED.", "Gets a book", "Fails with\nABORTED."),
        ("Costs 1.5 coins. Or more.", "Costs 1.5 coins", "Or more."),
        ("", "", ""),
    ],
)
def test_the_first_sentence(text: str, head: str, rest: str) -> None:
    assert first_sentence(text) == (head, rest)


def test_comments_by_full_name() -> None:
    schema = compiled(
        (
            "said",
            'syntax = "proto3"; package said.v1;\n'
            "// Outer.\nmessage A {\n// Inner.\nmessage B { int32 x = 1; // Behind.\n}\n"
            "// Which.\n// buf:lint:ignore X\nenum E {\n// None.\nE_NONE = 0; }\n}\n"
            "// Serves.\nservice S {\n// Calls.\nrpc M(A) returns (A); }\n",
        )
    )
    comments = Comments(schema.files.values())
    found = {
        name: comments.of(f"said.v1.{name}") for name in ("A", "A.B", "A.B.x", "A.E", "A.E.E_NONE", "S", "S.M", "N")
    }
    assert found == {
        "A": "Outer.",
        "A.B": "Inner.",
        "A.B.x": "Behind.",
        "A.E": "Which.",
        "A.E.E_NONE": "None.",
        "S": "Serves.",
        "S.M": "Calls.",
        "N": "",
    }
