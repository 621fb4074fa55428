from __future__ import annotations

import pytest

from edge.balancing.keys import hash_key, key_of
from edge.model.balancing import KeySource
from edge.model.call import Call


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ((("x-user", "ann"),), b"ann"),
        ((("a", "b"), ("x-user", "ann"), ("x-user", "bob")), b"ann"),
        ((("x-user", b"\x00\xff"),), b"\x00\xff"),
        ((("x-user", "\xe9"),), b"\xc3\xa9"),
        ((("x-user", ""),), None),
        ((), None),
    ],
)
def test_the_key_is_the_first_value_of_the_header(metadata: tuple[tuple[str, str]], key: bytes | None) -> None:
    assert key_of(KeySource.HEADER, "x-user")(Call("/a/B", metadata=metadata)) == key


@pytest.mark.parametrize(
    ("peer", "key"),
    [("10.0.0.1:4000", b"10.0.0.1"), ("[::1]:4000", b"[::1]"), ("unix:", None), ("", None), ("host", b"host")],
)
def test_the_key_is_the_address_of_the_peer_without_port(peer: str, key: bytes | None) -> None:
    assert key_of(KeySource.PEER_ADDRESS)(Call("/a/B", peer=peer)) == key


def test_the_key_is_a_parameter_of_the_path() -> None:
    call = Call("/v1/books/7")
    find = key_of(KeySource.PATH_PARAMETER, "id")
    assert find(call) is None
    call.path_parameters = {"id": "7"}
    assert find(call) == b"7"


@pytest.mark.parametrize("source", [KeySource.CLAIM, KeySource.CONSUMER])
def test_callers_whom_nobody_has_recognized_have_no_key(source: KeySource) -> None:
    assert key_of(source, "sub")(Call("/a/B", peer="10.0.0.1:1")) is None


def test_the_key_is_the_consumer() -> None:
    call = Call("/a/B")
    call.consumer = "consumers/ann"
    assert key_of(KeySource.CONSUMER)(call) == b"consumers/ann"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("sub", b"ann"),
        ("org.tenant", b"acme"),
        ("org.id", b"7"),
        ("https://example.com/team", b"blue"),
        ("admin", b"true"),
        ("empty", None),
        ("org", None),
        ("roles", None),
        ("org.none", None),
        ("sub.more", None),
        ("none", None),
    ],
)
def test_the_key_is_a_claim_of_the_token(name: str, key: bytes | None) -> None:
    call = Call("/a/B")
    call.claims = {
        "sub": "ann",
        "org": {"tenant": "acme", "id": 7},
        "https://example.com/team": "blue",
        "admin": True,
        "empty": "",
        "roles": ["a", "b"],
    }
    assert key_of(KeySource.CLAIM, name)(call) == key


def test_the_hash_is_the_same_everywhere() -> None:
    assert hash_key(b"ann") == 0x8D3ADF6ABF23F3A5
    assert 0 <= hash_key(b"") < 1 << 64
