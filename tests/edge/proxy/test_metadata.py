from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call
from edge.model.errors import MetadataTooLarge
from edge.model.peers import HOP_BY_HOP, MAX_KEPT_PEERS, Peers
from edge.proxy.metadata import outgoing, valid

STRANGERS = Peers(())
FRIENDS = Peers(("10.0.0.0/8", "::1/128"))


def sent(call: Call, peers: Peers, peer: str) -> list[tuple[str, str | bytes]]:
    return outgoing(call, peers.get(peer), 16_384)


@pytest.mark.parametrize(
    ("text", "address", "ip", "trusted"),
    [
        ("ipv4:10.1.2.3:55", "10.1.2.3:55", "10.1.2.3", True),
        ("ipv4:192.0.2.1:55", "192.0.2.1:55", "192.0.2.1", False),
        ("ipv6:%5B::1%5D:55", "[::1]:55", "::1", True),
        ("ipv6:[2001:db8::1]:55", "[2001:db8::1]:55", "2001:db8::1", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:55", "[fe80::1%eth0]:55", "fe80::1%eth0", False),
        ("unix:", "unix:", "", True),
        ("ipv4:nonsense", "nonsense", "", False),
    ],
)
def test_peers_are_read_from_grpcs_text(text: str, address: str, ip: str, trusted: bool) -> None:
    peer = FRIENDS.get(text)
    assert (peer.address, peer.ip, peer.trusted) == (address, ip, trusted)


def test_the_memory_of_peers_is_bounded() -> None:
    peers = Peers(())
    for port in range(MAX_KEPT_PEERS * 2 + 1):
        peers.get(f"ipv4:127.0.0.1:{port}")
    assert len(peers._kept) <= MAX_KEPT_PEERS


def test_the_word_of_a_stranger_is_replaced() -> None:
    call = Call("/a/B", (("x-forwarded-for", "1.1.1.1"), ("x-forwarded-host", "evil"), ("forwarded", "for=1.1.1.1")))
    pairs = sent(call, STRANGERS, "ipv4:192.0.2.1:55")
    assert ("x-forwarded-for", "192.0.2.1") in pairs
    assert [name for name, _ in pairs].count("x-forwarded-for") == 1
    assert not {"x-forwarded-host", "forwarded"} & {name for name, _ in pairs}


def test_a_trusted_peer_is_appended() -> None:
    call = Call("/a/B", (("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-host", "shop")))
    pairs = sent(call, FRIENDS, "ipv4:10.0.0.9:55")
    assert ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.9") in pairs
    assert ("x-forwarded-host", "shop") in pairs


def test_a_request_id_is_kept_or_made() -> None:
    kept = Call("/a/B", (("x-request-id", "mine"),))
    assert ("x-request-id", "mine") in sent(kept, STRANGERS, "unix:")
    assert kept.request_id == "mine"
    made = [Call("/a/B") for _ in range(2)]
    for call in made:
        sent(call, STRANGERS, "unix:")
    assert len({call.request_id for call in made}) == 2
    assert all(len(call.request_id) == 32 for call in made)


names = st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True)
ascii_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=10)
entries = st.tuples(names, ascii_text) | st.tuples(names.map(lambda name: name + "-bin"), st.binary(max_size=10))


@given(st.lists(entries))
def test_everything_else_passes_in_its_order(metadata: list[tuple[str, str | bytes]]) -> None:
    call = Call("/a/B", tuple(metadata))
    special = HOP_BY_HOP | {"x-request-id", "forwarded"}
    expected = [pair for pair in metadata if pair[0] not in special and not pair[0].startswith("x-forwarded-")]
    assert sent(call, STRANGERS, "ipv4:192.0.2.1:55")[: len(expected)] == expected
    assert valid(metadata) == tuple(metadata)


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=5))
def test_text_that_grpc_cannot_send_is_left_out_and_nothing_else(value: str) -> None:
    sendable = all(" " <= letter <= "~" for letter in value)
    pairs: list[tuple[str, str | bytes]] = [("x-a", "1"), ("x-b", value), ("x-c-bin", value.encode("utf8", "replace"))]
    kept = [pair for pair in pairs if pair[0] != "x-b" or sendable]
    assert sent(Call("/a/B", tuple(pairs)), STRANGERS, "unix:")[: len(kept)] == kept
    assert list(valid(pairs)) == kept


def test_metadata_over_the_limit_is_refused_with_its_name() -> None:
    call = Call("/a/B", tuple((f"x-{number}", "v" * 100) for number in range(10)))
    size = sum(len(name) + len(value) + 32 for name, value in call.metadata)
    outgoing(call, STRANGERS.get("unix:"), size)
    with pytest.raises(MetadataTooLarge, match="max_metadata_bytes"):
        outgoing(call, STRANGERS.get("unix:"), size - 1)
