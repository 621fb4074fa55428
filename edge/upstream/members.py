"""The members of an upstream: who joins, whom an operator drains, and who finishes its calls before it is closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edge.model.endpoint import Endpoint, EndpointAddress, EndpointState, Judge
from edge.tasks import Tasks
from edge.upstream.member import Carrier, Member

_GONE = "no longer part of the upstream"
_DRAINED = "an operator lets it finish its calls (DrainEndpoint)"


class Members:
    """The members of one upstream.

    Args:
        carrier: Makes what reaches an address.
        drained: The addresses an operator drains. They outlive the cluster when its upstream changes.
        connect: Whether to connect when an endpoint appears.
        changed: Called when the connections of a member are in another state.
    """

    def __init__(
        self, carrier: Callable[[str], Carrier], drained: set[str], *, connect: bool, changed: Callable[[], None]
    ) -> None:
        self.endpoints: tuple[Endpoint, ...] = ()
        """The members' endpoints, in the order in which they were found."""
        self.leaving: dict[Endpoint, Member] = {}
        """Who is no member any more and has calls under way."""
        self._present: dict[str, Member] = {}
        self._carrier = carrier
        self._drained = drained
        self._connect = connect
        self._changed = changed

    def take(self, addresses: Sequence[EndpointAddress], *, certain: bool) -> None:
        """Make the members those that were found; the others finish their calls and go.

        Args:
            addresses: What was found.
            certain: Whether discovery has worked, so that an address that is not there is forgotten.
        """
        wanted = {address.address: address for address in addresses}
        for gone in [name for name in self._present if name not in wanted]:
            self._leave(self._present.pop(gone))
        for name, address in wanted.items():
            if (present := self._present.get(name)) is not None:
                present.endpoint.update(address)
                continue
            member = Member(address, self._carrier(name))
            self._present[name] = member
            if name in self._drained:
                member.endpoint.judge(Judge.OPERATOR, EndpointState.DRAINING, _DRAINED)
            member.carrier.watch(member.endpoint, self._changed, member.tasks, connect=self._connect)
        if certain:
            self._drained.intersection_update(wanted)
        self.endpoints = tuple(self._present[name].endpoint for name in wanted)

    def find(self, address: str) -> Endpoint | None:
        """Return the member with this address."""
        member = self._present.get(address)
        return None if member is None else member.endpoint

    def reached(self) -> Mapping[Endpoint, int]:
        """Return the members that take calls and are connected, with how often they were."""
        members = self._present.values()
        return {one.endpoint: one.carrier.made for one in members if one.endpoint.state is EndpointState.ACTIVE}

    def drain(self, address: str) -> bool:
        """Let a member get no new calls, as long as its address is one of this upstream; return whether it is news."""
        member = self._present.get(address)
        if member is None:
            return False
        self._drained.add(address)
        return member.endpoint.judge(Judge.OPERATOR, EndpointState.DRAINING, _DRAINED)

    def undrain(self, address: str) -> bool:
        """Let a member get calls again as far as operators are concerned; return whether it is news."""
        self._drained.discard(address)
        member = self._present.get(address)
        return member is not None and member.endpoint.judge(Judge.OPERATOR, None)

    def drop(self, address: str) -> bool:
        """End a member at once, with its calls; return whether it was one."""
        member = self._present.pop(address, None)
        if member is None:
            return False
        self._drained.discard(address)
        member.endpoint.judge(Judge.SOURCE, EndpointState.DRAINING, _GONE)
        self.endpoints = tuple(one for one in self.endpoints if one is not member.endpoint)
        Tasks.detached(member.close(), name=f"drop endpoint {address}")
        return True

    def idle(self, endpoint: Endpoint) -> None:
        """Close an endpoint that has left and finished its last call."""
        if not endpoint.active and (member := self.leaving.pop(endpoint, None)) is not None:
            Tasks.detached(member.close(), name=f"close endpoint {endpoint.address}")

    def dismiss(self) -> None:
        """Let all of them finish their calls and go. They stay in `endpoints`, for who asks why there are none."""
        present, self._present = self._present, {}
        for member in present.values():
            self._leave(member)

    async def close(self) -> None:
        """Close all of them now, whatever is under way."""
        members = (*self._present.values(), *self.leaving.values())
        self._present, self.leaving = {}, {}
        for member in members:
            await member.close()

    def _leave(self, member: Member) -> None:
        member.endpoint.judge(Judge.SOURCE, EndpointState.DRAINING, _GONE)
        self.leaving[member.endpoint] = member
        self.idle(member.endpoint)
