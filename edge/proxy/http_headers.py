"""Headers and targets of requests on their way to HTTP endpoints, and of the answers on their way back.

A request keeps its target, its headers and their order. What belongs to a connection goes (RFC 9110 section 7.6.1), and
what peers say of those before them is believed or replaced by the same rule as for gRPC (`edge.proxy.metadata`).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from edge.model.call import Call
from edge.model.errors import InvalidRequest, MetadataTooLarge, Violation
from edge.model.http import HeaderPairs, HttpRequest
from edge.model.peers import Peer
from edge.model.request_id import new_request_id
from edge.model.snapshot import RoutePlan
from edge.policies import changed

VIA = "1.1 edge"
"""What is added to `via` of requests; a gateway has to (RFC 9110 section 7.6.3). Answers, where it may, get none."""

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""RFC 9110 section 7.6.1 and those before it: never carried from one connection to the next, either way."""

_FRAMING = frozenset({"host", "content-length", "expect"})
"""What the gateway writes itself, from the request as it came: policies do not change where a body ends."""

_HANDSHAKE = frozenset(
    {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"}
)
"""What is said anew on each connection (RFC 6455 section 11.3)."""

_FORWARDED = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-proto"}
    | {"x-forwarded-scheme", "x-forwarded-server", "x-forwarded-ssl", "x-real-ip"}
)
"""What a proxy says of whoever is before it: from a peer that is not trusted it is a stranger's word."""

_ADDED = frozenset({"via", "x-request-id"})

_REFUSED = re.compile(r"[\x00-\x20\x7f#]")
_READ_TWO_WAYS = re.compile(r"//|%2f|%5c|[\\;]", re.IGNORECASE)
_SLASHES = re.compile(r"(?:[/\\]|%2f|%5c)+", re.IGNORECASE)
_PARAMETER = re.compile(r";[^/]*")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


def check_target(target: str) -> None:
    """Refuse a target that an endpoint may read otherwise than the route that matched it.

    Endpoints resolve dot segments, and many do so after decoding `%2e`, `%2f` and `%5c`, or without what follows `;` in
    a segment. `/public/%2e%2e/admin` would be matched as something public and served as `/admin`.

    Raises:
        InvalidRequest: it is no path, or has dot segments, control characters or a fragment.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") and path != "*":
        raise _bad("the target is no path")
    if _REFUSED.search(target):
        raise _bad("the target has a control character, a space or a fragment in it; percent-encode them")
    if "." not in path and "%" not in path:
        return
    plain = unquote_to_bytes(path.encode("latin-1", "replace")).replace(b"\\", b"/")
    if _CONTROL.search(plain):
        raise _bad("the path has a control character in it")
    if any(segment.partition(b";")[0] in (b".", b"..") for segment in plain.split(b"/")):
        raise _bad("the path has the segment `.` or `..` in it; send it resolved")


def check_reading(call: Call) -> None:
    """Refuse a path that is another route's as many endpoints read it.

    They merge slashes, decode `%2f` and `%5c`, take a backslash for a slash, and leave out what follows `;` in a
    segment. `//admin/x` or `/admin%2fx` would be matched by a route for everything and served as `/admin/x`, past the
    policies of the route for that.

    Args:
        call: The call, matched by its path as it was sent.

    Raises:
        InvalidRequest: it is one of those.
    """
    path, plan, snapshot = call.method, call.plan, call.snapshot
    if plan is None or snapshot is None or _READ_TWO_WAYS.search(path) is None:
        return
    try:
        for reading in {_slashes(path), _slashes(_PARAMETER.sub("", path)), _PARAMETER.sub("", _slashes(path))}:
            call.method = reading
            match = snapshot.table.match(call)
            if match is not None and match.plan.route.name != plan.route.name:
                raise _bad(
                    "with its `//`, `%2f`, `%5c`, backslashes or `;` resolved the path is another route's; resolve them"
                )
    finally:
        call.method = path


def _slashes(path: str) -> str:
    return _SLASHES.sub("/", path)


def _bad(words: str) -> InvalidRequest:
    return InvalidRequest.of([Violation("path", words)])


def request_headers(call: Call, request: HttpRequest, peer: Peer, authority: str, limit: int) -> list[tuple[str, str]]:
    """Return the headers for the endpoint but those of the body, and put the request id into the call.

    Args:
        call: The call, whose metadata are the headers as policies have left them.
        request: The request as it came.
        peer: Who sent it.
        authority: The `host` to send. Empty keeps the caller's, as web applications that make links need it.
        limit: The most headers in bytes, as RFC 9113 section 6.5.2 counts them: names, values and 32 for each.

    Raises:
        MetadataTooLarge: the caller sent more.
    """
    dropped = HOP_BY_HOP | _FRAMING
    listed = _listed(request.header("connection")) - dropped
    # by identity: a caller cannot have a header dropped that a policy has set
    of_caller = {id(pair) for pair in request.headers if pair[0] in listed} if listed else ()
    if request.upgrades:
        dropped |= _HANDSHAKE
    result: list[tuple[str, str]] = [("host", authority or request.host)]
    forwarded: dict[str, str] = {}
    request_id = via = ""
    size = 0
    posing = False
    for pair in call.metadata:
        name, value = pair
        text = value if isinstance(value, str) else value.decode("latin-1")
        size += len(name) + len(text) + 32
        if name == "x-request-id":
            request_id = text
        elif name == "via":
            via = f"{via}, {text}" if via else text
        elif name in _FORWARDED:
            if peer.trusted:
                forwarded[name] = f"{forwarded[name]}, {text}" if name in forwarded else text
        elif name not in dropped and id(pair) not in of_caller:
            posing = posing or "_" in name
            result.append((name, text))
    if posing:
        result = _without_poses(result, dropped)
    if size > limit:
        raise MetadataTooLarge(
            f"the headers of {size} bytes are larger than the {limit} that server.limits.max_metadata_bytes allows",
            metadata={"limit": "server.limits.max_metadata_bytes", "limitBytes": str(limit)},
        )
    if chain := ", ".join(part for part in (forwarded.pop("x-forwarded-for", ""), peer.ip) if part):
        result.append(("x-forwarded-for", chain))
    result.append(("x-forwarded-proto", forwarded.pop("x-forwarded-proto", "") or request.scheme))
    if host := forwarded.pop("x-forwarded-host", "") or request.host:
        result.append(("x-forwarded-host", host))
    result += forwarded.items()
    # the version that the caller spoke (RFC 9110 section 7.6.3)
    own = VIA if request.version == "1.1" else f"{request.version} edge"
    result.append(("via", f"{via}, {own}" if via else own))
    call.request_id = request_id or new_request_id()
    result.append(("x-request-id", call.request_id))
    return result


def _without_poses(headers: list[tuple[str, str]], dropped: frozenset[str]) -> list[tuple[str, str]]:
    """Return the headers without those that an endpoint may take for another one.

    CGI and its like (WSGI, PHP) read `x_user` and `x-user` as one variable. So a caller could say with an underscore
    what a policy, a proxy or the framing says with a hyphen.
    """
    decided = dropped | _FORWARDED | _ADDED | {name for name, _ in headers}
    return [pair for pair in headers if "_" not in pair[0] or pair[0].replace("_", "-") not in decided]


def answer_headers(plan: RoutePlan, received: HeaderPairs, added: HeaderPairs) -> list[tuple[str, str]]:
    """Return the headers of an answer for the caller: the endpoint's, changed by the route's policies.

    Args:
        plan: The route.
        received: What the endpoint sent.
        added: What the gateway says besides. It replaces what the endpoint said by the same name; `vary` is added to.
            Of CORS only the gateway speaks where the route has a policy for it.
    """
    dropped = HOP_BY_HOP | _listed(",".join(value for name, value in received if name == "connection"))
    dropped |= {name for name, _ in added if name != "vary"}
    headers = [pair for pair in received if pair[0] not in dropped]
    if plan.cors is not None:
        # else an endpoint could allow an origin, or credentials, that the policy does not
        headers = [pair for pair in headers if not pair[0].startswith("access-control-")]
    if plan.response_changes:
        # where the body ends is the endpoint's to say
        length = [pair for pair in headers if pair[0] == "content-length"]
        metadata = [pair for pair in headers if pair[0] != "content-length"]
        for change in plan.response_changes:
            metadata = [
                (name, value if isinstance(value, str) else value.decode("latin-1"))
                for name, value in changed(metadata, change)
            ]
        headers = [pair for pair in metadata if pair[0] != "content-length"] + length
    headers.extend(added)
    return headers


def _listed(connection: str) -> frozenset[str]:
    """Return the headers that a `connection` header says belong to the connection."""
    return (
        frozenset(name for part in connection.split(",") if (name := part.strip().lower()))
        if connection
        else frozenset()
    )
