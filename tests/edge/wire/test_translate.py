from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call
from edge.model.errors import MetadataTooLarge
from edge.model.peers import Peers
from edge.model.status import Code, Detail, Status
from edge.wire.heads import Field
from edge.wire.request_head import RequestHead
from edge.wire.translate import escape_message, http_code, request_fields, reset_code, status_fields, timeout_text
from edge.wire.values import decode_binary
from tests.edge.wire.support import head

CALLER = "ipv4:198.51.100.7:4711"


def crossed(*more: Field, trusted: bool = False, limit: int = 10_000, peer: str = CALLER) -> tuple[list[Field], Call]:
    """Return the fields behind `te` and `content-type` that go on, and the call."""
    request = RequestHead(head(*more))
    assert request.malformed == ""
    call = Call("/a.B/C", request.metadata)
    peers = Peers(["198.51.100.0/24"] if trusted else [])
    fields = request_fields(request, call, peers.get(peer), limit)
    assert fields[:2] == (("te", "trailers"), ("content-type", "application/grpc"))
    return list(fields[2:]), call


def test_what_a_caller_says_of_others_is_believed_only_when_it_is_trusted() -> None:
    said = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https"), ("forwarded", "for=x"), ("x-a", "b")]
    assert crossed(*said)[0] == [("x-a", "b"), ("x-forwarded-for", "198.51.100.7")]
    assert crossed(*said, trusted=True)[0] == [
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=x"),
        ("x-a", "b"),
        ("x-forwarded-for", "10.0.0.1, 198.51.100.7"),
    ]


def test_a_chain_in_several_headers_is_one() -> None:
    said = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-for", "10.0.0.2, 10.0.0.3")]
    assert crossed(*said, trusted=True)[0] == [("x-forwarded-for", "10.0.0.1, 10.0.0.2, 10.0.0.3, 198.51.100.7")]


def test_a_unix_socket_has_no_address_to_hand_on() -> None:
    assert crossed(peer="unix:/run/x")[0] == []
    assert crossed(("x-forwarded-for", "10.0.0.1"), peer="unix:/run/x")[0] == [("x-forwarded-for", "10.0.0.1")]


def test_the_first_request_id_is_kept() -> None:
    fields, call = crossed(("x-request-id", "one"), ("x-request-id", "two"))
    assert fields == [("x-forwarded-for", "198.51.100.7"), ("x-request-id", "one")]
    assert call.request_id == "one"


def test_what_no_header_of_grpc_takes_stays_here() -> None:
    assert crossed(("x-a", "ü"), ("x-b", "b\tc"), ("x-c", "d"))[0][0] == ("x-c", "d")


def test_metadata_that_a_policy_changed_is_what_goes_on() -> None:
    request = RequestHead(head(("x-a", "b")))
    call = Call("/a.B/C", [("content-type", "application/grpc"), ("x-new", "1"), ("k-bin", b"\0\xff")])
    fields = request_fields(request, call, Peers([]).get(CALLER), 1000)
    assert fields[2:] == (("x-new", "1"), ("k-bin", "AP8"), ("x-forwarded-for", "198.51.100.7"))


def test_the_limit_counts_as_http2_does() -> None:
    size = sum(len(name) + len(value) + 32 for name, value in RequestHead(head(("x-a", "b"))).fields)
    crossed(("x-a", "b"), limit=size)
    with pytest.raises(MetadataTooLarge) as error:
        crossed(("x-a", "b"), limit=size - 1)
    assert error.value.metadata["limitBytes"] == str(size - 1)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_messages_survive_and_are_printable_ascii(message: str) -> None:
    text = escape_message(message)
    assert text.isascii()
    assert text.isprintable()
    assert unquote(text) == message


def test_a_status_is_fields_with_its_details() -> None:
    status = Status(Code.NOT_FOUND, "no 100% ü", (Detail("type.googleapis.com/a.B", b"\1\2"),))
    fields = dict(status_fields(status))
    assert fields["grpc-status"] == "5"
    assert fields["grpc-message"] == "no 100%25 %C3%BC"
    assert decode_binary(fields["grpc-status-details-bin"]) == status.to_proto().SerializeToString()
    assert status_fields(Status(Code.OK, "")) == (("grpc-status", "0"),)


def test_codes_of_http_and_of_resets() -> None:
    table = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14, 200: 2, 500: 2, 418: 2}
    assert {status: int(http_code(status)) for status in table} == table
    resets = {0: 13, 1: 13, 2: 13, 3: 13, 5: 13, 6: 13, 7: 14, 8: 1, 9: 13, 10: 13, 11: 8, 12: 7, 13: 13, 99: 13}
    assert {code: int(reset_code(code)) for code in resets} == resets


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1n"),
        (1e-9, "1n"),
        (0.05, "50000000n"),
        (0.1, "100m"),
        (1.0, "1000m"),
        (1e4, "10000S"),
        (1e12, "99999999S"),
    ],
)
def test_the_text_of_a_timeout(seconds: float, text: str) -> None:
    assert timeout_text(seconds) == text


NAMES = ("x-a", "traceparent", "k-bin", "te", "host", "grpc-timeout", "x-request-id", "x-forwarded-for", "forwarded")
VALUES = ("b", "a b", "trailers", "1S", "shop", "AAEC", "AAEC,AA==", "ü", "a\tb", "", "10.0.0.1")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=6),
    st.booleans(),
    st.sampled_from((CALLER, "unix:/run/x")),
)
def test_the_short_way_for_simple_heads_leads_to_the_same(more: list[Field], trusted: bool, caller: str) -> None:
    found = []
    for size in (-1, 0):  # a head that nobody has counted goes the long way
        request = RequestHead(head(*more), size=size)
        if request.malformed:
            return
        call = Call("/a.B/C", request.metadata)
        call.request_id = "of the attempt before"
        peer = Peers(["198.51.100.0/24"] if trusted else []).get(caller)
        found.append((request_fields(request, call, peer, 10_000), call.request_id))
    assert found[0] == found[1]


def test_most_heads_are_simple() -> None:
    assert RequestHead(head(("traceparent", "00-1"), ("user-agent", "a b"), ("grpc-timeout", "1S"))).simple
    assert not RequestHead(head(("x-request-id", "1"))).simple
