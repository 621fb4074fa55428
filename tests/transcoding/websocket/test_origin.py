"""Which pages may open a WebSocket."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from edge.model.config import CorsPolicy
from edge.model.status import Code
from tests.support.web_socket_exchange import handshake
from transcoding.guard import ForeignOrigin
from transcoding.websocket.handshake import Handshake
from transcoding.websocket.origin import check_origin

HOST = "books.example.com"
SHOP = CorsPolicy(allow_origins=("https://shop.example.com",))
TOKEN = "edge.bearer." + urlsafe_b64encode(b"token").decode().rstrip("=")


def check(
    origin: str | None,
    policy: CorsPolicy | None = None,
    *,
    host: str = HOST,
    subprotocols: tuple[str, ...] = ("edge.json.v1",),
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    sent = () if origin is None else (("origin", origin),)
    check_origin(Handshake.of(handshake("/", *subprotocols, headers=(*sent, *headers), host=host)), policy)


def refused(origin: str, policy: CorsPolicy | None = None, **options: object) -> str:
    with pytest.raises(ForeignOrigin) as caught:
        check(origin, policy, **options)  # type: ignore[arg-type] # as `check` has them
    assert (caught.value.code, caught.value.reason) == (Code.PERMISSION_DENIED, "FOREIGN_ORIGIN")
    assert caught.value.metadata == {"origin": origin.lower()[:200]}
    return caught.value.message


def test_callers_that_are_no_browsers_send_no_origin() -> None:
    check(None, headers=(("cookie", "session=1"),))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://books.example.com", HOST),
        ("http://books.example.com", HOST),
        ("https://Books.Example.com", HOST.upper()),
        ("https://books.example.com", f"{HOST}:443"),
        ("http://localhost:8081", "localhost:8081"),
        ("http://[::1]:8081", "[::1]:8081"),
    ],
)
def test_pages_of_the_host_itself_may_call_with_cookies(origin: str, host: str) -> None:
    check(origin, host=host, headers=(("cookie", "session=1"),))


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "null", "https://books.example.com.evil.example", "https://books.example.com:444"),
        *("https://evilbooks.example.com", "chrome-extension://books.example.com", "https://", "books.example.com"),
        "https://books.example.com, https://evil.example",
    ],
)
@pytest.mark.parametrize("policy", [None, SHOP], ids=["no policy", "of another page"])
def test_pages_of_other_hosts_may_not(origin: str, policy: CorsPolicy | None) -> None:
    words = refused(origin, policy)
    assert ("allow_origins" if policy else "give it a CORS policy") in words


def test_no_host_is_nobodys_own() -> None:
    assert refused("https://", host="")


def test_a_cors_policy_lets_pages_in() -> None:
    check("https://shop.example.com", SHOP)
    check("https://shop.example.com", SHOP, subprotocols=("edge.json.v1", TOKEN, "edge.timeout.1S"))
    check("https://a.example", CorsPolicy(allow_origins=("https://*.example", "https://a.example")))
    check("null", CorsPolicy(allow_origins=("null",)))


@pytest.mark.parametrize("header", ["cookie", "authorization"])
def test_credentials_of_the_browser_need_leave(header: str) -> None:
    sent = ((header, "x"),)
    assert "allow_credentials" in refused("https://shop.example.com", SHOP, headers=sent)
    check(
        "https://shop.example.com", CorsPolicy(allow_origins=SHOP.allow_origins, allow_credentials=True), headers=sent
    )


def test_headers_handed_over_need_leave_as_with_fetch() -> None:
    few = CorsPolicy(allow_origins=SHOP.allow_origins, allow_headers=("x-tenant",))
    more = CorsPolicy(allow_origins=SHOP.allow_origins, allow_headers=("x-tenant", "authorization"))
    every = CorsPolicy(allow_origins=SHOP.allow_origins, allow_headers=("*",))
    entries = ("edge.json.v1", TOKEN, "edge.timeout.1S")
    assert "`authorization`" in refused("https://shop.example.com", few, subprotocols=entries)
    check("https://shop.example.com", more, subprotocols=entries)
    check("https://shop.example.com", every, subprotocols=entries)
    check("https://books.example.com", few, subprotocols=entries)
