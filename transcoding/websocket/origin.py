"""Which pages may open a WebSocket.

Browsers send cookies with the handshake of any page and ask nobody before, so that a page of somebody else could speak
for whoever looks at it (cross-site WebSocket hijacking; RFC 6455 section 10.2). They do send `origin`, which no script
can forge. Callers that are no browsers send none, and have no cookies that are not their own.
"""

from __future__ import annotations

from edge.model.config import CorsPolicy
from transcoding.cors import ANY, PROTOCOL_REQUEST_HEADERS, origin_allowed
from transcoding.guard import ForeignOrigin
from transcoding.websocket.handshake import Handshake

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_AMBIENT = ("cookie", "authorization")
"""What a browser adds by itself."""


def check_origin(handshake: Handshake, policy: CorsPolicy | None) -> None:
    """Refuse the pages that may not open this WebSocket.

    A page may when it is from the host that it calls. Others need the route's CORS policy, which holds here as it does
    for `fetch`: for the origin, for credentials, and for the headers that a script hands over.

    Args:
        handshake: The handshake.
        policy: The route's CORS policy, or None.

    Raises:
        ForeignOrigin: this page may not.
    """
    origin = handshake.header("origin").lower()
    if not origin or _same_host(origin, handshake.host.lower()):
        return
    shown = origin[:200]
    if policy is None or not origin_allowed(policy, origin):
        mend = "list it in `allow_origins` of its CORS policy" if policy is not None else "give it a CORS policy"
        raise _refusal(
            f"the page's origin `{shown}` is not the host it calls, and the route does not allow it; {mend}", shown
        )
    ambient = [name for name in _AMBIENT if name not in handshake.handed and handshake.header(name)]
    if ambient and not policy.allow_credentials:
        raise _refusal(
            f"the browser sent `{ambient[0]}` for a page of origin `{shown}`, and the route's CORS policy has no "
            "`allow_credentials`",
            shown,
        )
    foreign = sorted(handshake.handed.difference(policy.allow_headers, PROTOCOL_REQUEST_HEADERS))
    if foreign and policy.allow_headers and ANY not in policy.allow_headers:
        raise _refusal(
            f"a page of origin `{shown}` may not set the header `{foreign[0][:60]}`; list it in `allow_headers` of the "
            "route's CORS policy",
            shown,
        )


def _same_host(origin: str, host: str) -> bool:
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return port is not None and bool(host) and authority.removesuffix(port) == host.removesuffix(port)


def _refusal(message: str, origin: str) -> ForeignOrigin:
    return ForeignOrigin(message, metadata={"origin": origin})
