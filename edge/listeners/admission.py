"""How many connections a listener takes, from all callers and from each."""

from __future__ import annotations

from edge.model.counters import Protections
from edge.model.settings import Limits


class Admission:
    """Counts the connections of a listener.

    Args:
        name: The name of the listener, for logs.
        limits: The limits of the gateway.
        protections: Where connections that are turned away are counted.
    """

    def __init__(self, name: str, limits: Limits, protections: Protections) -> None:
        self.count: int = 0
        """The connections there are."""
        self._name = name
        self._most = limits.max_connections
        self._most_of_peer = limits.max_connections_per_peer
        self._of_peer: dict[str, int] = {}
        self._protections = protections

    def enter(self, peer: str) -> bool:
        """Count a connection, unless there are enough; return whether it was. Then `leave` has to follow.

        Args:
            peer: The other side of the socket, in grpc's words.
        """
        if self._most and self.count >= self._most:
            self._protections.act(
                "connection_limit",
                peer,
                f"a connection was closed: the listener {self._name} has {self.count} (server.limits.max_connections)",
            )
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """A connection is over."""
        self.count -= 1

    def claim(self, peer: str) -> str | None:
        """Count a connection of a caller, unless it has enough; return the key for `release`, or None if it has.

        Args:
            peer: The caller, in grpc's words. The address counts, whatever the port; callers of a unix socket have none
                and no limit.
        """
        if not self._most_of_peer:
            return ""
        address = peer.rpartition(":")[0]
        if address in ("", "unix"):
            return ""
        count = self._of_peer.get(address, 0)
        if count >= self._most_of_peer:
            self._protections.act(
                "peer_limit",
                peer,
                f"a connection was closed: its address has {count} to the listener {self._name} "
                "(server.limits.max_connections_per_peer)",
            )
            return None
        self._of_peer[address] = count + 1
        return address

    def release(self, key: str) -> None:
        """Give back what `claim` has counted."""
        if key:
            left = self._of_peer[key] - 1
            if left:
                self._of_peer[key] = left
            else:
                del self._of_peer[key]
