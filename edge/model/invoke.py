"""How a call that was not received by gRPC reaches a gRPC endpoint. An engine implements it; transcoding uses it.

    pipeline.open → (await) → invoker.unary or invoker.stream → … → pipeline.settle or pipeline.refuse

The invoker picks and leases the endpoint, applies the limits of time and size, and passes deadlines on. Whoever uses it
settles the call.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from edge.model.call import Call, MetadataPairs
from edge.model.errors import GatewayError
from edge.model.status import Code, Detail, Status


class Reply(NamedTuple):
    """What an upstream answered to a unary call with OK."""

    message: bytes
    """The message."""

    initial: MetadataPairs
    """The initial metadata, after the route's policies."""

    trailing: MetadataPairs
    """The trailing metadata."""


class UpstreamError(Exception):
    """An upstream ended a call with another status than OK. It is passed on as it is.

    Args:
        status: Code, message and details, of any type.
        initial: The initial metadata, after the route's policies; empty when there was none before the status.
        trailing: The trailing metadata without the status.
        endpoint_failed: Whether the endpoint is to blame.
    """

    def __init__(
        self,
        status: Status,
        *,
        initial: MetadataPairs = (),
        trailing: MetadataPairs = (),
        endpoint_failed: bool = False,
    ) -> None:
        super().__init__(f"{status.code.name}: {status.message}")
        self.status = status
        self.initial = initial
        self.trailing = trailing
        self.endpoint_failed = endpoint_failed


class UpstreamStream(Protocol):
    """A streaming call under way. One task may send while another receives."""

    async def initial(self) -> MetadataPairs:
        """Wait for the initial metadata and return it, after the route's policies.

        Raises:
            UpstreamError: the call ended without any.
        """
        ...

    async def send(self, message: bytes) -> bool:
        """Send one message and wait while the upstream does not read.

        Returns:
            False when the upstream's side has ended; `receive` says how.

        Raises:
            MessageTooLarge: it is larger than the route allows.
        """
        ...

    async def half_close(self) -> None:
        """Say that no more messages come."""
        ...

    async def receive(self) -> bytes | None:
        """Return the next message, or None when the call has ended with OK.

        Raises:
            UpstreamError: it ended otherwise.
            GatewayError: the gateway ended it.
        """
        ...

    @property
    def trailing(self) -> MetadataPairs:
        """The trailing metadata, once `receive` has returned None."""
        ...

    @property
    def refusal(self) -> GatewayError | None:
        """Why the gateway ended the call, once it has."""
        ...

    def end(self, refusal: GatewayError) -> None:
        """End the call with `refusal`: cancel the upstream's side, and the task that began the call.

        That task may be waiting for the caller to read; whoever runs it finds the reason of the cancellation in
        `refusal`.
        """
        ...

    def close(self) -> None:
        """Cancel what is still under way. To be called when the call is over, however it ended."""
        ...


class Invoker(Protocol):
    """Makes calls to endpoints of an admitted call's route."""

    async def unary(self, call: Call, request: bytes) -> Reply:
        """Make a unary call.

        Raises:
            UpstreamError: the upstream ended it with another status than OK.
            GatewayError: it could not be made, or a limit ended it.
        """
        ...

    def stream(self, call: Call) -> UpstreamStream:
        """Begin a call of any shape. It counts as streaming for the route's time limits.

        Raises:
            GatewayError: it could not be made.
        """
        ...


DETAILS_KEY = "grpc-status-details-bin"
"""The metadata entry that holds a serialized `google.rpc.Status`."""


def split_details(code: Code, message: str, trailing: MetadataPairs) -> tuple[Status, MetadataPairs]:
    """Return the status with the details of the trailers, and the trailers without it.

    Details that do not parse stay where they are: nothing of an upstream's answer is lost.

    Args:
        code: The code of the upstream.
        message: Its message.
        trailing: Its trailing metadata.
    """
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                parsed = status_pb2.Status.FromString(value)
            except DecodeError:
                break
            details = tuple(Detail(detail.type_url, detail.value) for detail in parsed.details)
            rest = tuple(pair for pair in trailing if pair[0] != DETAILS_KEY)
            return Status(code, message, details, value), rest
    return Status(code, message), trailing
