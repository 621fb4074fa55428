"""Whether a response is what a case says: its content type, its length, and its body in each of the forms.

Every check returns what is wrong, or an empty text.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.corpus.cases import Json
from tests.corpus.compare import contains_json, parse_json, same_json
from tests.corpus.http1 import Answer


def content_type(outcome: Json, answer: Answer) -> str:
    """Check the content type, in each of the ways an outcome can say it."""
    full = (answer.header("content-type") or "").lower()
    media = answer.media_type
    if "content_type" in outcome and full != outcome["content_type"].lower():
        return f"the content type is {full}, not {outcome['content_type']}"
    if "content_type_media" in outcome and media != outcome["content_type_media"]:
        return f"the media type is {media}, not {outcome['content_type_media']}"
    if "content_type_any_of" in outcome and media not in outcome["content_type_any_of"]:
        return f"the content type is {full}, none of {outcome['content_type_any_of']}"
    return ""


def problem_of_length(answer: Answer, length: int) -> str:
    """Check that a stated length is that of the body; a printer that writes spaces may make another one."""
    stated = answer.header("content-length")
    if stated is not None and int(stated) != len(answer.body):
        return f"content-length is {stated}, the body has {len(answer.body)} bytes"
    if len(answer.body) < length:
        return f"the body has {len(answer.body)} bytes, not {length}"
    return ""


def body(outcome: Json, answer: Answer) -> str:
    """Check the body.

    Raises:
        ValueError: it has to be JSON and is not.
    """
    if "body_json" in outcome and (problem := same_json(parse_json(answer.body), outcome["body_json"])):
        return problem
    if "body_json_contains" in outcome:
        return contains_json(parse_json(answer.body), outcome["body_json_contains"])
    if "body_json_lines" in outcome:
        return same_json(lines(answer), outcome["body_json_lines"])
    if "body_json_lines_last" in outcome:
        found = lines(answer)
        return contains_json(found[-1] if found else None, outcome["body_json_lines_last"])
    if "body_base64" in outcome and answer.body != base64.b64decode(outcome["body_base64"]):
        return f"the body is {answer.body[:200]!r}"
    if "body_text_contains" in outcome and outcome["body_text_contains"].encode() not in answer.body:
        return f"the body is {answer.body[:200]!r}, without {outcome['body_text_contains']!r}"
    if "body_text" in outcome:
        return same_text(answer, outcome["body_text"])
    return ""


def same_text(answer: Answer, expected: str) -> str:
    """Compare a body with text: JSON by value, an event stream by the data of its events, all else by its bytes."""
    if answer.media_type == "text/event-stream":
        found = events(answer.body.decode())
        return same_json([json.loads(data) for data in found], [json.loads(data) for data in events(expected)])
    if answer.media_type == "application/json" and expected:
        return same_json(parse_json(answer.body), json.loads(expected))
    return "" if answer.body == expected.encode() else f"the body is {answer.body[:200]!r}, not {expected!r}"


def events(text: str) -> list[str]:
    """Return the data of the messages in an event stream, as a browser's `onmessage` gets them (HTML, 9.2.6).

    Ids, comments and events with a name of their own are left aside: a script sees those only by asking for them.

    Raises:
        ValueError: a line has no meaning, or data spans several lines, which JSON here does not.
    """
    found: list[str] = []
    data: list[str] = []
    kind = "message"
    for line in text.removesuffix("\n").split("\n"):
        name, _, value = line.partition(":")
        if not line:
            if len(data) > 1:
                raise ValueError(f"an event has {len(data)} lines of data")
            found += data if kind == "message" else []
            data, kind = [], "message"
        elif name == "data":
            data.append(value.removeprefix(" "))
        elif name == "event":
            kind = value.removeprefix(" ")
        elif name not in ("", "id", "retry"):
            raise ValueError(f"a line of an event stream: {line!r}")
    if data:
        raise ValueError("the last event is not ended by an empty line")
    return found


def lines(answer: Answer) -> list[Any]:
    """Return the JSON values of a body that has one a line, or of a sequence of RFC 7464.

    Raises:
        ValueError: one is no JSON.
    """
    text = answer.body.replace(b"\x1e", b"")
    return [parse_json(line) for line in text.split(b"\n") if line.strip()]
