"""What subprotocols of a handshake say, and that a secret in them goes nowhere else."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.errors import InvalidRequest
from tests.support.web_socket_exchange import handshake
from transcoding.headers import caller_deadline, to_metadata
from transcoding.websocket.handshake import Handshake, Mode


def encoded(value: str | bytes) -> str:
    raw = value.encode() if isinstance(value, str) else value
    return urlsafe_b64encode(raw).decode().rstrip("=")


def of(*subprotocols: str, headers: tuple[tuple[str, str], ...] = ()) -> Handshake:
    return Handshake.of(handshake("/", *subprotocols, headers=headers))


def refused(*subprotocols: str, headers: tuple[tuple[str, str], ...] = ()) -> str:
    with pytest.raises(InvalidRequest) as caught:
        of(*subprotocols, headers=headers)
    assert caught.value.violations[0].field == "header sec-websocket-protocol"
    return caught.value.message


def test_no_subprotocol_is_bare_and_answered_without_one() -> None:
    found = of()
    assert (found.mode, found.subprotocol) == (Mode.BARE, "")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["edge.json.v1"], Mode.JSON),
        (["edge.proto.v1", "edge.json.v1"], Mode.PROTO),
        (["edge.json.bare.v1"], Mode.BARE),
        (["edge.json.v9", "edge.json.v1"], Mode.JSON),
        (["chat", f"edge.bearer.{encoded('t')}", "edge.json.v1"], Mode.JSON),
    ],
)
def test_the_first_known_subprotocol_is_chosen(offered: list[str], chosen: Mode) -> None:
    found = of(*offered)
    assert (found.mode, found.subprotocol) == (chosen, chosen.value)


def test_subprotocols_may_come_in_several_headers() -> None:
    found = of("chat", headers=(("sec-websocket-protocol", "edge.proto.v1"),))
    assert found.mode is Mode.PROTO


@pytest.mark.parametrize("prefix", ["edge.bearer.", "base64url.bearer.authorization.k8s.io."])
def test_a_bearer_token_becomes_a_header_and_leaves_its_entry(prefix: str) -> None:
    entry = prefix + encoded("s3cr3t.?>~")
    found = of("edge.json.v1", entry)
    assert found.header("authorization") == "Bearer s3cr3t.?>~"
    assert ("authorization", "Bearer s3cr3t.?>~") in to_metadata(found.headers)
    assert found.subprotocol == "edge.json.v1"
    assert not any(entry in value for _, value in found.headers)


def test_other_headers_are_handed_over_by_name() -> None:
    found = of(
        "edge.json.v1",
        f"edge.header.X-Tenant.{encoded('Acme Ltd.')}",
        f"edge.header.x-trace-bin.{encoded(bytes([0, 255]))}",
        f"edge.header.authorization.{encoded('ApiKey 123')}",
    )
    metadata = dict(to_metadata(found.headers))
    assert metadata["x-tenant"] == "Acme Ltd."
    assert metadata["x-trace-bin"] == b"\x00\xff"
    assert metadata["authorization"] == "ApiKey 123"
    assert found.handed == {"x-tenant", "x-trace-bin", "authorization"}


def test_a_timeout_is_the_callers_deadline() -> None:
    found = of("edge.json.v1", "edge.timeout.1500m")
    assert caller_deadline(found) == pytest.approx(found.started + 1.5)


def test_of_two_timeouts_the_earlier_counts() -> None:
    found = of("edge.json.v1", "edge.timeout.9S", headers=(("grpc-timeout", "2S"),))
    assert caller_deadline(found) == pytest.approx(found.started + 2)


@pytest.mark.parametrize(
    "name",
    [
        *("cookie", "origin", "host", "connection", "sec-websocket-key", "x-forwarded-for", "forwarded", "x-real-ip"),
        *("proxy-authorization", "transfer-encoding", "grpc-status", "te", "", "a b", "x-ü"),
    ],
)
def test_names_that_nobody_hands_over(name: str) -> None:
    assert "is no name of a header that can be handed over" in refused(
        "edge.json.v1", f"edge.header.{name}.{encoded('x')}"
    )


def test_the_timeout_has_an_entry_of_its_own() -> None:
    assert "use `edge.timeout.…`" in refused("edge.json.v1", f"edge.header.grpc-timeout.{encoded('1S')}")


@pytest.mark.parametrize("value", ["", "a", "a+b", "YQ==", "a b"])
def test_values_that_are_no_base64url(value: str) -> None:
    assert "must be base64url without padding" in refused("edge.json.v1", f"edge.bearer.{value}")


@pytest.mark.parametrize("token", ["a\r\nb", "ü", " a", "\x00"])
def test_tokens_that_are_no_header_value(token: str) -> None:
    assert "printable ASCII" in refused("edge.json.v1", f"edge.bearer.{encoded(token)}")


def test_a_token_with_its_scheme_is_a_mistake() -> None:
    assert "without `Bearer`" in refused("edge.json.v1", f"edge.bearer.{encoded('Bearer abc')}")


def test_a_header_is_given_once() -> None:
    bearer = f"edge.bearer.{encoded('a')}"
    assert "`authorization` is given twice" in refused("edge.json.v1", bearer, bearer)
    assert "`authorization` is given twice" in refused(
        "edge.json.v1", bearer, headers=(("authorization", "Basic eDp5"),)
    )


def test_unknown_subprotocols_are_refused_with_ours() -> None:
    words = refused("edge.jsn.v1")
    for mode in Mode:
        assert mode.value in words
    assert "did you mean `edge.json.v1`?" in words


def test_a_token_alone_asks_for_a_subprotocol_besides() -> None:
    assert "browsers drop a connection whose answer chooses none" in refused(f"edge.bearer.{encoded('a')}")


@pytest.mark.parametrize("entry", ["edge.baerer.{}", "edge.bearer{}", "bearer.{}", "edge.header.x.{}!", "{}"])
def test_words_never_hold_what_was_handed_over(entry: str) -> None:
    secret = encoded("a very secret token")
    assert secret not in refused(entry.format(secret), headers=(("authorization", "x"),))
    assert secret not in refused(f"edge.bearer.{secret}!", "edge.json.v1")


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1)))
def test_any_subprotocols_are_taken_or_refused(offered: list[str]) -> None:
    try:
        found = of(*offered)
    except InvalidRequest:
        return
    assert found.subprotocol in {"", *offered}


@given(st.binary(min_size=1), st.sampled_from(["edge.bearer.", "edge.header.x-a.", "edge.header.x-a-bin."]))
def test_any_value_is_a_clean_header_or_refused(value: bytes, prefix: str) -> None:
    try:
        found = of("edge.json.v1", prefix + encoded(value))
    except InvalidRequest:
        assert not prefix.endswith("-bin.")
        return
    _, text = found.headers[-1]
    if prefix.endswith("-bin."):
        assert text == b64encode(value).decode().rstrip("=")
    else:
        assert text.removeprefix("Bearer ") == value.decode()
    assert text.isprintable()
    assert text.isascii()
