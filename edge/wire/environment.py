"""What all calls of a listener share."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from edge.model.counters import Protections
from edge.model.errors import GatewayError
from edge.model.peers import Peers
from edge.model.pipeline import Pipeline
from edge.model.unexpected import unexpected
from edge.wire.carrier import Carrier
from edge.wire.deadlines import Wheel
from edge.wire.request_head import RequestHead

if TYPE_CHECKING:
    from edge.model.call import Call
    from edge.model.snapshot import RoutePlan, Snapshot
    from edge.wire.caller import CallState


@mypyc_attr(allow_interpreted_subclasses=True)
class Environment:
    """Pipeline, peers and time. The parts that need the loop are for whoever owns it to override.

    Args:
        pipeline: Match, admit, pick, settle.
        peers: What is known of callers.
        wheel: Where deadlines are kept.
        max_metadata: The most metadata of a caller, in bytes.
    """

    def __init__(self, pipeline: Pipeline, peers: Peers, wheel: Wheel, *, max_metadata: int) -> None:
        self.pipeline = pipeline
        self.peers = peers
        self.wheel = wheel
        self.max_metadata = max_metadata
        self.snapshot: Snapshot | None = None
        """The configuration in force: what was found for a header block is good for as long as it is the same."""
        self.known: int = 0
        """Grows when what is known of methods changes."""
        self.protections: Protections | None = None
        """Where acts against callers are counted."""
        self.has_core: bool = False
        """Whether there are calls that `core_for` has to look at."""

    def now(self) -> float:
        """Return the monotonic clock, in seconds."""
        raise NotImplementedError

    def is_unary(self, method: str) -> bool:
        """Whether a schema knows the method to be unary."""
        raise NotImplementedError

    def wait_for(self, pending: Awaitable[None], call: CallState) -> None:
        """Await an admission, then call `admitted` or `refuse` of the call."""
        raise NotImplementedError

    def core_for(self, call: Call, plan: RoutePlan, head: RequestHead) -> tuple[Carrier, str] | None:
        """Return where a call goes that this engine cannot carry, and by what name it was handed over; else None."""
        raise NotImplementedError

    def unexpected(self, call: Call, error: Exception) -> GatewayError:
        """Return the refusal for a failure that nobody foresaw. The log has the stack."""
        return unexpected(call, error)
