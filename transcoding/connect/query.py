"""The query of a unary GET: which form the message has, and the message."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from urllib.parse import parse_qsl

from edge.model.errors import InvalidRequest, Violation
from transcoding.connect.protocol import wrong_version

_MOST_PARAMETERS = 100
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class UnaryQuery:
    """What a Unary-Get-Request says (Connect protocol, Query-Get)."""

    codec: str
    """`json`, `proto`, or something unknown."""

    compression: str
    """What the message is compressed with. Empty for nothing."""

    message: bytes
    """The message, still compressed."""

    @classmethod
    def of(cls, query: str) -> UnaryQuery:
        """Read a query. Parameters that Connect does not know do not matter.

        Raises:
            InvalidRequest: something is missing or wrong.
        """
        found = _parameters(query)
        if found is None:
            raise _wrong("query", f"it has more than {_MOST_PARAMETERS} parameters")
        version = found.get("connect", "v1")
        if version != "v1":
            raise wrong_version("query connect", version, "v1")
        for name, example in (("encoding", "`json` or `proto`"), ("message", "the message, empty for an empty one")):
            if name not in found:
                raise _wrong(f"query {name}", f"it is missing; send {example}")
        text = found["message"]
        if found.get("base64") == "1":
            return cls(found["encoding"], found.get("compression", ""), _from_base64(text))
        return cls(found["encoding"], found.get("compression", ""), text.encode("latin-1", "replace"))


def is_connect_query(query: str) -> bool:
    """Return whether a query is Connect's: it says so, or it has a message in an encoding."""
    if "connect=" not in query and "message=" not in query:
        return False
    found = _parameters(query) or {}
    return found.get("connect") == "v1" or ("encoding" in found and "message" in found)


def _parameters(query: str) -> dict[str, str] | None:
    """Return the parameters, the first of each name. Bytes are read as Latin-1, which loses none."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, encoding="latin-1", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return None
    return dict(reversed(pairs))


def _from_base64(text: str) -> bytes:
    """Return what base64 of either alphabet stands for, padded or not."""
    text = text.rstrip("=").translate(_URL_SAFE)
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError):
        raise _wrong("query message", "it is no URL-safe base64; encode it so, or leave out `base64=1`") from None


def _wrong(place: str, problem: str) -> InvalidRequest:
    return InvalidRequest.of([Violation(place, problem)])
