"""Where a redirect sends a caller."""

from __future__ import annotations

import re
from urllib.parse import quote

from edge.model.call import Call
from edge.model.config import HttpTarget, Redirect, Route

PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""What stands for a parameter of the matched path in `Redirect.path`."""

_SEGMENT = "!$&'()*+,;=:@~"
"""What a segment may hold as it is besides what `quote` leaves alone (RFC 3986 section 3.3)."""


def redirect_location(call: Call, redirect: Redirect, route: Route) -> str:
    """Return the value of `location` for a caller.

    It is as relative as may be (RFC 9110 section 10.2.2): the gateway need not know by which scheme and port callers
    reach it. With `https` the port is that of HTTPS, because the one the caller used is the one of HTTP.

    Args:
        call: The call, matched.
        redirect: Where to.
        route: The route that was matched.
    """
    path = _path(call, redirect, route) if redirect.path else _ascii(call.method)
    # a path that begins with two slashes would be read as a host
    path = f"/{path.lstrip('/')}"
    if call.query:
        path = f"{path}{'&' if '?' in path else '?'}{_ascii(call.query)}"
    host = redirect.host or call.host
    if redirect.https and host:
        return f"https://{host}{path}"
    return f"//{redirect.host}{path}" if redirect.host else path


def _path(call: Call, redirect: Redirect, route: Route) -> str:
    rests = {
        name
        for name in call.path_parameters
        for match in route.matches
        if isinstance(match.target, HttpTarget) and f"{{{name}=**}}" in match.target.path
    }

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return quote(call.path_parameters.get(name, ""), safe=f"{_SEGMENT}/" if name in rests else _SEGMENT)

    return PARAMETER.sub(value, redirect.path)


def _ascii(text: str) -> str:
    """Return a part of a target, one character for each byte, with what is beyond ASCII percent-encoded."""
    return text if text.isascii() else "".join(sign if sign < "\x80" else f"%{ord(sign) & 0xFF:02X}" for sign in text)
