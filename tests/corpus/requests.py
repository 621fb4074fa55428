"""The requests of a case: one, or several where the case is a recipe."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.corpus.cases import Case, Json
from tests.corpus.http1 import Request

MODULO = re.compile(r"i % (\d+) for i in range\(n\)")
"""The expression for bytes that is known."""

KNOWN = {"method", "path", "path_template", "query", "headers", "body", "body_base64", "body_json", "body_generated"}
"""What the `request` of a case may say."""

CHUNK = 16
"""The size of a chunk where a body is also sent chunked."""

EVERY_BYTE_UP_TO = 5000
"""Bodies up to this size are also sent one byte a chunk."""


@dataclass(frozen=True)
class Sent:
    """A request and what was put into it by a recipe."""

    request: Request
    """The request."""

    about: str = ""
    """Which of several it is, for reports."""

    fill: str = ""
    """The text a recipe filled in."""

    data: bytes = b""
    """The bytes a recipe made."""


def requests(case: Case) -> Iterator[Sent]:
    """Yield the requests of a case.

    Raises:
        ValueError: the case says something of its request that is not known.
    """
    if "sweep" in case.raw:
        yield from _sweep(case.raw["sweep"], case.raw.get("request", {}))
        return
    raw = case.raw["request"]
    if unknown := raw.keys() - KNOWN:
        raise ValueError(f"unknown words about the request: {', '.join(sorted(unknown))}")
    target = _repeated(raw["path_template"]) if "path_template" in raw else raw.get("path", case.http.get("template"))
    if raw.get("query") is not None:
        target += f"?{raw['query']}"
    headers = tuple((str(name), str(value)) for name, value in raw.get("headers", {}).items())
    made = Request(raw.get("method") or case.http["method"], target, headers)
    if "body_generated" in raw:
        yield from _generated(made, raw["body_generated"])
        return
    body: bytes | None = None
    if "body" in raw:
        body = raw["body"].encode()
    elif "body_base64" in raw:
        body = base64.b64decode(raw["body_base64"])
    elif "body_json" in raw:
        body = json.dumps(raw["body_json"], ensure_ascii=False).encode()
    elif "body_before_gzip" in case.options:
        body = gzip.compress(case.options["body_before_gzip"].encode(), mtime=0)
    if (how := case.options.get("send")) is not None:
        if not re.search(r"one byte a chunk|chunked", how):
            raise ValueError(f"unknown way to send: {how}")
        chunk = 1 if "one byte" in how else CHUNK
        yield Sent(replace(made, body=body, chunk=chunk))
        return
    yield Sent(replace(made, body=body))
    if body is not None:
        yield Sent(replace(made, body=body, chunk=CHUNK), "chunked")


def _repeated(raw: Json) -> str:
    return str(raw.get("prefix", "")) + str(raw["repeat"]) * int(raw["count"]) + str(raw.get("suffix", ""))


def _sweep(raw: Json, request: Json) -> Iterator[Sent]:
    """Yield a request for each byte and each case of hexadecimal digits."""
    for code in range(raw["bytes_from"], raw["bytes_to_inclusive"] + 1):
        for letters in raw.get("hex_case", ["upper"]):
            digits = f"{code:02x}" if letters == "lower" else f"{code:02X}"
            target = raw["path_format"].replace("HH", digits)
            yield Sent(Request(request.get("method", "GET"), target), target, fill=chr(code), data=bytes([code]))


def _generated(request: Request, raw: Json) -> Iterator[Sent]:
    if "fill" in raw:
        for size in _several(raw["fill_bytes"]):
            fill = (raw["fill"] * (size // len(raw["fill"]) + 1))[:size]
            body = f"{raw.get('prefix', '')}{fill}{raw.get('suffix', '')}".encode()
            for chunk in (None, 1 if size <= EVERY_BYTE_UP_TO else 1000):
                yield Sent(replace(request, body=body, chunk=chunk), f"{size} bytes, chunk {chunk}", fill=fill)
    elif "repeat_open" in raw:
        depth = raw["depth"]
        body = (raw["repeat_open"] * depth + raw.get("value", "") + raw["repeat_close"] * depth).encode()
        yield Sent(replace(request, body=body))
    elif "repeat" in raw:
        yield Sent(replace(request, body=_repeated(raw).encode()))
    elif "bytes" in raw and (found := MODULO.fullmatch(raw["bytes"])):
        for size in _several(raw["n"]):
            data = bytes(i % int(found[1]) for i in range(size))
            for chunk in (None, 16384) if raw.get("with_and_without_content_length") else (None,):
                yield Sent(replace(request, body=data, chunk=chunk), f"{size} bytes, chunk {chunk}", data=data)
    else:
        raise ValueError(f"unknown recipe of a body: {raw}")


def _several(raw: int | list[int]) -> list[int]:
    return [raw] if isinstance(raw, int) else raw
