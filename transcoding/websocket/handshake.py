"""What a WebSocket handshake says by its subprotocols: how messages are framed, and headers that scripts cannot set.

Source: RFC 6455 sections 1.9 and 4.1. A script chooses nothing of its handshake but the URL, which lands in logs, and
the subprotocols. So these carry tokens too, as Kubernetes has it (`base64url.bearer.authorization.k8s.io.…`).
"""

from __future__ import annotations

import enum
import re
from base64 import urlsafe_b64decode

from edge.model.errors import InvalidRequest, Violation
from edge.model.hints import nearest
from edge.model.http import HttpRequest
from transcoding.headers import encode_binary, to_metadata

_OFFER = "sec-websocket-protocol"

BEARER = "edge.bearer."
"""What an entry begins with that holds a bearer token in base64url."""

KUBERNETES_BEARER = "base64url.bearer.authorization.k8s.io."
"""The same as Kubernetes has it."""

HEADER = "edge.header."
"""What an entry begins with that holds a header: name, `.`, value in base64url."""

TIMEOUT = "edge.timeout."
"""What an entry begins with that holds a timeout, as `grpc-timeout` has it."""

_RESERVED = frozenset({"cookie", "forwarded", "origin", "via", "x-real-ip"})
_RESERVED_PREFIXES = ("access-control-", "proxy-", "sec-", "x-forwarded-")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


class Mode(enum.Enum):
    """How messages are framed. The values are the subprotocols."""

    BARE = "edge.json.bare.v1"
    """A text frame is a message in JSON, and nothing else. Also what callers get who offer no subprotocol."""

    JSON = "edge.json.v1"
    """A text frame is a JSON object that says what it holds."""

    PROTO = "edge.proto.v1"
    """The first byte of a binary frame says what it holds."""


_MODES = {mode.value: mode for mode in Mode}


class Handshake(HttpRequest):
    """The head of a WebSocket handshake. The headers that its subprotocols hold are among its headers."""

    __slots__ = ("handed", "mode", "subprotocol")

    def __init__(
        self, request: HttpRequest, handed: dict[str, str], subprotocol: str = "", mode: Mode = Mode.BARE
    ) -> None:
        super().__init__(
            request.verb,
            request.target,
            [*(pair for pair in request.headers if pair[0] != _OFFER), *handed.items()],
            host=request.host,
            peer=request.peer,
            scheme=request.scheme,
            version=request.version,
            tls=request.tls,
            started=request.started,
        )
        self.handed: frozenset[str] = frozenset(handed)
        """The names of the headers that subprotocols held."""
        self.subprotocol: str = subprotocol
        """The subprotocol to answer with. Empty when the caller offered none."""
        self.mode: Mode = mode
        """How messages are framed."""

    @classmethod
    def of(cls, request: HttpRequest) -> Handshake:
        """Return the handshake of a request that `upgrades`.

        Raises:
            InvalidRequest: an entry is malformed, or the caller offers subprotocols and none of ours. The words never
                hold what an entry may hold in secret.
        """
        offered = [entry for part in request.header(_OFFER).split(",") if (entry := part.strip())]
        if not offered:
            return cls(request, {})
        handed: dict[str, str] = {}
        chosen: Mode | None = None
        for entry in offered:
            mode = _MODES.get(entry)
            if mode is not None:
                chosen = chosen or mode
            elif (found := _header(entry)) is not None:
                name, value = found
                if name in handed or (name != "grpc-timeout" and request.header(name)):
                    raise _refusal(f"the header `{name}` is given twice; send it once")
                handed[name] = value
        if chosen is None:
            raise _refusal(_none_known(offered))
        return cls(request, handed, chosen.value, chosen)


def _header(entry: str) -> tuple[str, str] | None:
    """Return the header that an entry holds, or None when it is of no kind that holds one."""
    for prefix in (BEARER, KUBERNETES_BEARER):
        if entry.startswith(prefix):
            token = _text(entry[len(prefix) :], prefix)
            if " " in token:
                raise _refusal(f"the token of `{prefix}…` has a space in it; encode the token alone, without `Bearer`")
            return "authorization", f"Bearer {token}"
    if entry.startswith(TIMEOUT):
        return "grpc-timeout", entry[len(TIMEOUT) :]
    if not entry.startswith(HEADER):
        return None
    name, _, value = entry[len(HEADER) :].lower().rpartition(".")
    value = entry[len(entry) - len(value) :]  # the value in its own case
    shown = name[:60]
    if name.endswith("-bin"):
        raw = _bytes(value, f"{HEADER}{shown}.")
        text = encode_binary(raw)
    else:
        text = _text(value, f"{HEADER}{shown}.")
    if name in _RESERVED or name.startswith(_RESERVED_PREFIXES) or not to_metadata([(name, text)]):
        mend = f"; use `{TIMEOUT}…`" if name == "grpc-timeout" else ""
        raise _refusal(f"`{shown}` is no name of a header that can be handed over{mend}")
    return name, text


def _text(encoded: str, prefix: str) -> str:
    """Return what base64url says, if a header may have that value."""
    try:
        text = _bytes(encoded, prefix).decode("ascii")
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or text != text.strip() or not text:
        raise _refusal(f"what `{prefix}…` holds is no header value; it must be printable ASCII")
    return text


def _bytes(encoded: str, prefix: str) -> bytes:
    if not _BASE64URL.fullmatch(encoded) or len(encoded) % 4 == 1:
        raise _refusal(f"what follows `{prefix}` must be base64url without padding (RFC 4648 section 5)")
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def _none_known(offered: list[str]) -> str:
    ours = ", ".join(f"`{name}`" for name in _MODES)
    if all(entry.startswith((BEARER, KUBERNETES_BEARER, HEADER, TIMEOUT)) for entry in offered):
        # Fetch standard, "WebSocket opening handshake": an answer without subprotocol fails then
        return f"offer one of {ours} besides: browsers drop a connection whose answer chooses none"
    # only a name of ours is shown: what was offered may hold a token behind a mistyped beginning
    known = (*_MODES, BEARER, HEADER, TIMEOUT)
    hints = (nearest(".".join(entry.split(".")[:2]) + ".", known) or nearest(entry, known) for entry in offered)
    hint = next((f"; did you mean `{name}`?" for name in hints if name is not None), "")
    return f"none of the subprotocols is spoken here; offer one of {ours}, or no subprotocol at all{hint}"


def _refusal(description: str) -> InvalidRequest:
    return InvalidRequest.of([Violation(f"header {_OFFER}", description)])
