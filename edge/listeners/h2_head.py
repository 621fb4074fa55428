"""Heads in HTTP/2 (RFC 9113 section 8): requests as HTTP/1.1 would have brought them, answers as checked fields."""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import Final

from edge.listeners.http_head import FRAMING
from edge.model.http import HeaderPairs
from edge.wire.heads import Field
from edge.wire.names import UNFIT, name_kind
from edge.wire.request_head import RequestHead

NO_FAULT: Final = (0, "")
"""The fault of a request that has none."""

_HOST = re.compile(r"(?:[\w.~!$&'()*+,;=%-]+|\[[\w.~%-]*:[\w.:~%-]*\])(?::[0-9]*)?", re.ASCII)
"""RFC 3986 section 3.2.2, without user. Whatever else stands here may later be taken for a path or for two hosts."""

_METHOD = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]+")
"""A token (RFC 9110 section 9.1). No method there is has small letters, and `delete` must not pass for another one."""

_STATUSES: Final = {status: (":status", str(status)) for status in range(100, 600)}

_SENT: Final = 0
_DROPPED: Final = 1
_DATED: Final = 2
_RENAMED: Final = 4

_FORBIDDEN: Final = FRAMING | {"te"}
"""What belongs to connections of HTTP/1.1 (RFC 9113 section 8.2.2), and the length, which the front writes itself."""

_KINDS: dict[str, int] = dict.fromkeys(_FORBIDDEN, _DROPPED) | {"date": _DATED}
"""What becomes of a header, by its name. Endpoints choose them, so that only so many are kept."""
_MAX_KINDS: Final = 2048
_LONGEST_KEPT: Final = 64


class _Clock:
    """The `date` header, made once a second."""

    __slots__ = ("_field", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._field: Field = ("date", "")

    def field(self) -> Field:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._field = ("date", formatdate(now, usegmt=True))
        return self._field


_CLOCK = _Clock()


# === requests ===


def request_fault(head: RequestHead, max_size: int) -> tuple[int, str]:
    """Return the HTTP status and the reason when a request asks for what is not spoken here, or `NO_FAULT`.

    What the engine has found malformed, or larger than it reads at all, does not come here.

    Args:
        head: The request.
        max_size: The most bytes of headers: names, values and 32 for each.
    """
    verb, path, authority = head.verb, head.path, head.authority
    if verb == "CONNECT":
        return 501, "CONNECT is not available: this is a gateway, not a forward proxy"
    if head.protocol:
        return 400, "`:protocol` stands in CONNECT only (RFC 8441 section 4)"
    if _METHOD.fullmatch(verb) is None:
        return 400, "the method is not a token in capital letters (RFC 9110 section 9.1)"
    if head.scheme.lower() not in ("http", "https"):
        return 400, "the :scheme is neither http nor https"
    if path[:1] != "/" and (path != "*" or verb != "OPTIONS"):
        return 400, "the :path does not begin with a slash (RFC 9113 section 8.3.1)"
    if not authority:
        return 400, "the request names no host; send :authority (RFC 9113 section 8.3.1)"
    if _HOST.fullmatch(authority) is None:
        return 400, "the host is not a name or an address, with a port or without (RFC 9113 section 8.3.1)"
    size = 0
    for name, value in head.fields:
        size += len(name) + len(value) + 32
        if name == "host" and value.lower() != authority.lower():
            return 400, "the header `host` names another host than :authority (RFC 9113 section 8.3.1)"
    if size > max_size:
        return 431, f"the headers take {size} bytes; server.limits.max_metadata_bytes allows {max_size}"
    return NO_FAULT


def request_headers(head: RequestHead) -> HeaderPairs:
    """Return the headers of a request. Cookies that came in pieces are one header again (RFC 9113 section 8.2.3)."""
    fields = head.fields
    cookies = [value for name, value in fields if name == "cookie"]
    if len(cookies) < 2:
        return fields
    first = next(index for index, field in enumerate(fields) if field[0] == "cookie")
    rest = [field for field in fields[first:] if field[0] != "cookie"]
    return (*fields[:first], ("cookie", "; ".join(cookies)), *rest)


# === answers ===


def answer_fields(status: int, headers: HeaderPairs, length: str) -> list[Field]:
    """Return the head of an answer, with a date.

    Args:
        status: The HTTP status.
        headers: The headers. What belongs to the connection or says the length is left out.
        length: The `content-length`. Empty for none.

    Raises:
        ValueError: a name does not fit into HTTP/2, or a value has a line break or NUL in it, or a character that
            Latin-1 does not have.
    """
    fields = [_STATUSES.get(status) or (":status", f"{status:03d}")]
    if not _append(headers, fields):
        fields.append(_CLOCK.field())
    if length:
        fields.append(("content-length", length))
    return fields


def trailer_fields(trailers: HeaderPairs) -> tuple[Field, ...]:
    """Return the trailers of an answer, without what belongs to the connection.

    Raises:
        ValueError: as `answer_fields`.
    """
    fields: list[Field] = []
    _append(trailers, fields)
    return tuple(fields)


def _append(headers: HeaderPairs, fields: list[Field]) -> bool:
    """Append headers, checked; return whether there is a date among them."""
    kinds = _KINDS
    dated = False
    for pair in headers:
        name, value = pair
        kind = kinds.get(name)
        if kind is None:
            kind = _learn(name)
        if kind:
            if kind & _DROPPED:
                continue
            if kind & _RENAMED:
                pair = (name.lower(), value)
            if kind & _DATED:
                dated = True
        if not (value.isascii() and value.isprintable()):
            _check(name, value)
        fields.append(pair)
    return dated


def _learn(name: str) -> int:
    """Return what becomes of a header, and keep it."""
    lower = name.lower()
    if name_kind(lower) & UNFIT:
        raise ValueError(f"{name[:100]!r} is no name of a header in HTTP/2")
    kind = _KINDS.get(lower, _SENT)
    if lower != name:
        kind |= _RENAMED
    if len(_KINDS) < _MAX_KINDS and len(name) <= _LONGEST_KEPT:
        _KINDS[name] = kind
    return kind


def _check(name: str, value: str) -> None:
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"the header `{name}` of an answer has a line break or NUL in it")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the header `{name}` of an answer has a character that Latin-1 does not have") from None
