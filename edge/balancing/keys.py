"""What consistent hashing hashes: the key of a call, and the hash, which is the same in every gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b

from edge.model.balancing import KeySource
from edge.model.call import Call

KeyOf = Callable[[Call], bytes | None]
"""Returns the key of a call, or None when it has none."""

BITS = 64
"""The bits of a hash."""


def hash_key(key: bytes) -> int:
    """Return 64 bits. Python's own hash differs from process to process, and a CRC does not spread."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")


def key_of(source: KeySource, name: str = "") -> KeyOf:
    """Return what takes the key from a call.

    What is absent or empty, and a peer without address (a unix socket), give no key. Nor does a claim that is a list or
    an object.

    Args:
        source: What the key is taken from.
        name: The header in lower case, the claim, whose parts are names in objects when dots are between them, or the
            parameter.
    """
    if source is KeySource.HEADER:
        return _header(name)
    if source is KeySource.PATH_PARAMETER:
        return lambda call: call.path_parameters.get(name, "").encode() or None
    if source is KeySource.PEER_ADDRESS:
        return _peer
    if source is KeySource.CONSUMER:
        return lambda call: call.consumer.encode() or None
    return _claim(name)


def _claim(name: str) -> KeyOf:
    parts = name.split(".")

    def key(call: Call) -> bytes | None:
        value = call.claims.get(name)  # names of claims may have dots in them (RFC 7519 section 4.2: they are URIs)
        if value is None:
            value = call.claims
            for part in parts:
                value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape") or None
        # as JSON has them: true and 1 are two keys
        return json.dumps(value).encode() if isinstance(value, (bool, int, float)) else None

    return key


def _header(name: str) -> KeyOf:
    def key(call: Call) -> bytes | None:
        for entry, value in call.metadata:
            if entry == name:
                return (value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")) or None
        return None

    return key


def _peer(call: Call) -> bytes | None:
    peer = call.peer
    if peer.startswith("unix:"):
        return None
    host, colon, _ = peer.rpartition(":")
    return (host if colon else peer).encode() or None
