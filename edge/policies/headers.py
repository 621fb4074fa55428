"""Changes metadata: remove, then set, then append."""

from __future__ import annotations

from edge.model.call import Call, MetadataPairs
from edge.model.config import HeaderChange, HeaderPolicy


def changed(metadata: MetadataPairs, change: HeaderChange) -> MetadataPairs:
    """Return `metadata` with a change made. The order of what stays is kept."""
    gone = change.remove.union(name for name, _ in change.set)
    return (*(pair for pair in metadata if pair[0] not in gone), *change.set, *change.append)


class HeaderAdmission:
    """The header policy, for requests. What it does to answers is in the plan (`RoutePlan.response_changes`)."""

    __slots__ = ("_change", "name")

    def __init__(self, name: str, policy: HeaderPolicy) -> None:
        self.name = name
        self._change = policy.request

    def admit(self, call: Call) -> None:
        """Change the metadata the upstream is sent."""
        call.metadata = changed(call.metadata, self._change)
