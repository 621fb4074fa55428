from __future__ import annotations

import json

import pytest

from transcoding.rest.formats import stream_format

MESSAGES = [b'{"a":1}', b'{"a":2}']
ERROR = b'{"error":{"code":5}}'


def written(accept: str, *, messages: list[bytes], error: bytes | None = None) -> bytes:
    shape = stream_format([accept])
    pieces = [shape.message(message) for message in messages]
    pieces.append(shape.end() if error is None else shape.error(error))
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("application/x-ndjson", b'{"a":1}\n{"a":2}\n'),
        ("application/json-seq", b'\x1e{"a":1}\n\x1e{"a":2}\n'),
        ("application/json", b'[{"a":1},{"a":2}]'),
        ("text/event-stream", b'id: 1\ndata: {"a":1}\n\nid: 2\ndata: {"a":2}\n\nevent: end\ndata: {}\n\n'),
    ],
)
def test_each_form_has_its_frames(accept: str, body: bytes) -> None:
    assert written(accept, messages=MESSAGES) == body


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("application/x-ndjson", b'{"a":1}\n{"error":{"code":5}}\n'),
        ("application/json-seq", b'\x1e{"a":1}\n\x1e{"error":{"code":5}}\n'),
        ("application/json", b'[{"a":1},{"error":{"code":5}}]'),
        ("text/event-stream", b'id: 1\ndata: {"a":1}\n\nevent: error\ndata: {"error":{"code":5}}\n\n'),
    ],
)
def test_each_form_ends_with_the_same_error_object(accept: str, body: bytes) -> None:
    assert written(accept, messages=MESSAGES[:1], error=ERROR) == body


def test_an_empty_stream_is_an_empty_array_and_no_lines() -> None:
    assert written("application/json", messages=[]) == b"[]"
    assert written("application/x-ndjson", messages=[]) == b""


def test_an_array_is_json_however_often_the_heart_beats() -> None:
    shape = stream_format(["application/json"])
    body = shape.beat() + shape.message(b"1") + shape.beat() + shape.message(b"2") + shape.beat() + shape.end()
    assert json.loads(body) == [1, 2]


@pytest.mark.parametrize(
    ("accepted", "content_type"),
    [
        ([], "application/x-ndjson"),
        (["*/*"], "application/x-ndjson"),
        (["text/html", "*/*"], "application/x-ndjson"),
        (["image/png"], "application/x-ndjson"),
        (["text/event-stream", "application/json"], "text/event-stream"),
        (["application/json", "text/event-stream"], "application/json"),
        (["application/jsonl"], "application/x-ndjson"),
    ],
)
def test_the_first_form_that_is_accepted_is_taken(accepted: list[str], content_type: str) -> None:
    assert stream_format(accepted).content_type == content_type
