"""The cases that are a condition in words: what is asked, what the upstream does, and what the route says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.corpus.backend import Reply
from tests.corpus.cases import Json
from tests.corpus.checks import Observed, refused
from tests.corpus.http1 import Request

LIMIT = 2000
"""The bytes that a message may have where a condition speaks of a limit."""

METADATA_KEY = re.compile(r":?[0-9a-z_.-]+")
METADATA_VALUE = re.compile(r"[\x20-\x7e]*")

Match = re.Match[str]


@dataclass(frozen=True)
class Scene:
    """How a condition is brought about. The service has `GET /get` and `POST /post` with `body: "*"`, of Structs."""

    request: Request = field(default_factory=lambda: get())
    """What the caller sends."""

    reply: Reply | None = None
    """What the upstream answers; None answers with what it was sent."""

    upstream: str = ""
    """`nobody` for an upstream that does not listen."""

    route: Json = field(default_factory=dict)
    """More fields of the route."""


def get(*headers: tuple[str, str], target: str = "/get", method: str = "GET") -> Request:
    """Return a request without a body."""
    return Request(method, target, headers)


def post(body: bytes, content_type: str = "application/json", encoding: str = "") -> Request:
    """Return a request with a body."""
    encodings = (("Content-Encoding", encoding),) if encoding else ()
    return Request("POST", "/post", (("Content-Type", content_type), *encodings), body)


def _timeout(found: Match) -> Scene:
    silent = re.search(r"does not answer|hang|never answers|slow", found.string, re.IGNORECASE)
    value = "" if found[1].startswith("(") else found[1]
    return Scene(get(("Grpc-Timeout", value)), Reply(hang=True) if silent else None)


def _large_request(_: Match) -> Scene:
    body = b'{"text":"' + b"x" * (2 * LIMIT) + b'"}'
    return Scene(post(body), route={"max_request_message_bytes": LIMIT})


def _large_response(_: Match) -> Scene:
    # a Struct of one text: {"k": {"string_value": "xxx…"}}
    text = b"x" * (2 * LIMIT)
    value = b"\x1a" + _varint(len(text)) + text
    entry = b"\x0a\x01k\x12" + _varint(len(value)) + value
    message = b"\x0a" + _varint(len(entry)) + entry
    return Scene(reply=Reply(messages=[message]), route={"max_response_message_bytes": LIMIT})


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def _broken(found: Match) -> Scene:
    later = re.search(r"after|mid", found.string, re.IGNORECASE)
    stream = re.search(r"rst_stream|stream", found[0], re.IGNORECASE)
    # an empty message is an empty Struct
    return Scene(reply=Reply(messages=[b""] if later else [], breaks="stream" if stream else "connection"))


def _headers(_: Match) -> Scene:
    return Scene(get(("X-Corpus-Note", "caf\xe9"), ("x!corpus~key", "plain"), ("X-Corpus-Plain", "plain")))


CONDITIONS: list[tuple[str, Callable[[Match], Scene]]] = [
    # what the text of the condition holds, and what is done; the first that fits
    (r"grpc-timeout:\s*(\S+)", _timeout),
    (r"connection to the upstream refused|upstream (?:is )?(?:down|not listening)", lambda _: Scene(upstream="nobody")),
    (r"rst_stream|resets? the stream|(?:closes|drops|breaks) the connection|upstream dies", _broken),
    (r"header.*(?:above|over|larger|exceed|too large)", lambda _: Scene(get(("X-Large", "x" * 200_000)))),
    (r"(?:target|request line|uri|path).*(?:above|too long|longer|exceed)", lambda _: Scene(get(target="/" * 200_000))),
    (r"(?:upstream|response) (?:message|body)?.*(?:above|over|larger|exceed)", _large_response),
    (r"(?:json |request )?body (?:above|over|larger|exceed)", _large_request),
    (r"non-ascii|invalid metadata key", _headers),
    (r"content-type:? (application/grpc\S*)", lambda found: Scene(post(b"{}", found[1]))),
    (r"content-type:? (\w+/\S+)", lambda found: Scene(post(b"{}", found[1]))),
    (r"content-encoding:? (\S+)", lambda found: Scene(post(b"{}", "application/json", found[1]))),
    (
        r"(?:no|unknown|unmapped) (?:route|path|template|mapping|rule)|match(?:es)? no",
        lambda _: Scene(get(target="/nothing/is/here")),
    ),
    (r"(?:wrong|other) (?:http )?(?:method|verb)|not allowed", lambda _: Scene(get(method="DELETE"))),
    (r"(?:invalid|malformed|bad|broken) json", lambda _: Scene(post(b'{"a":'))),
    (
        r"deadline|timeout|(?:does not|never) answers?",
        lambda _: Scene(reply=Reply(hang=True), route={"timeout": "0.2s"}),
    ),
    (r"(?:without|no) grpc-status", lambda _: Scene(reply=Reply(http={"status": 200, "content_type": "text/plain"}))),
    (
        r"upstream (?:answers|returns|sends) (?:http )?(\d{3})",
        lambda found: Scene(reply=Reply(http={"status": int(found[1])})),
    ),
]


def scene(condition: str) -> Scene | None:
    """Return how a condition is brought about, or None when its words are not known."""
    for pattern, make in CONDITIONS:
        if (found := re.search(pattern, condition, re.IGNORECASE)) is not None:
            return make(found)
    return None


def check(condition: str, outcome: Json, seen: Observed) -> str:
    """Compare what became of a condition with an outcome; return what is wrong, or an empty text."""
    status = seen.answer.status
    if "accepted" in outcome:
        # a timeout of nothing is over at once
        good = status == 200 or (status == 504 and re.search(r":\s*0+[HMSmun]\b", condition) is not None)
        bad = status == 400
        return "" if (good if outcome["accepted"] else bad) else "the status says otherwise"
    if outcome.get("http_status") == 200:
        if status != 200 or len(seen.calls) != 1:
            return "the call did not go through"
    elif problem := refused(outcome, seen):
        return problem
    return _rule(outcome["rule"], seen) if "rule" in outcome else ""


def _rule(rule: str, seen: Observed) -> str:
    if re.search(r"left out|skip|encode", rule):
        odd = [
            (key, value)
            for call in seen.calls
            for key, value in call.metadata
            if METADATA_KEY.fullmatch(key) is None
            or (isinstance(value, str) and METADATA_VALUE.fullmatch(value) is None)
        ]
        plain = [value for call in seen.calls for key, value in call.metadata if key == "x-corpus-plain"]
        if odd:
            return f"the upstream got {odd}"
        return "" if plain == ["plain"] else "the other headers were not passed on"
    if re.search(r"not transcoded", rule):
        if seen.calls:
            return "the upstream was called"
        refusal = 400 <= seen.answer.status < 500 or seen.answer.status == 505
        return "" if refusal or seen.answer.media_type.startswith("application/grpc") else "it was taken for JSON"
    return f"unknown rule: {rule}"
