"""JSON text to a tree: strictly RFC 8259, and each key of an object once (RFC 8259 section 4, as json_format asks)."""

from __future__ import annotations

import json

import orjson

from edge.model.errors import InvalidRequest, Violation
from transcoding.codec.options import JsonValue
from transcoding.codec.words import clip

_TOO_DEEP = "the JSON is nested too deeply"


def load(data: bytes) -> JsonValue:
    """Return the tree of a JSON text in UTF-8.

    Args:
        data: The whole text. White space around the value is allowed, a byte order mark is not.

    Raises:
        InvalidRequest: it is no JSON (the violation says line and column, counted from 1), or a key is there twice.
    """
    try:
        tree: JsonValue = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _refusal(_reason(data, error)) from None
    try:
        again = orjson.dumps(tree)
    except orjson.JSONEncodeError:  # deeper than orjson writes
        again = b""
    # Most callers write as compactly as orjson does, and then there was no key to lose
    if again != data and not _has_all_keys(data, again):
        _find_duplicate(data)
    return tree


def _has_all_keys(data: bytes, again: bytes) -> bool:
    """Whether certainly no object in the data has a key twice, by what is written again after reading.

    A key that stands twice is once in the tree, and then the colon after the other is lost. Colons within texts are the
    same in number, unless the data hides them in an escape.
    """
    return again.count(b":") == data.count(b":") and b"\\u003" not in data


def _find_duplicate(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=_pairs)
    except RecursionError:
        raise _refusal(_TOO_DEEP) from None


def _pairs(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise _refusal(f"the key `{clip(key)}` stands twice in an object")
        seen.add(key)


def _reason(data: bytes, error: orjson.JSONDecodeError) -> str:
    if not data:
        return "there is no JSON: the text is empty"
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        return f"the JSON is not in UTF-8, on line {line} at byte {wrong.start}"
    if "depth limit" in error.msg:
        return _TOO_DEEP
    return f"the text is no JSON: {error.msg}, on line {error.lineno} in column {error.colno}"


def _refusal(description: str) -> InvalidRequest:
    return InvalidRequest.of([Violation("", description)])
