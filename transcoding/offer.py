"""A gRPC method as one route offers it to HTTP callers."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor

from edge.model.schema import Method, Shape
from edge.model.transcoding import Transcoding
from transcoding.codec import Codec
from transcoding.unknown import UnknownFields


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A method of a route, with everything a protocol needs to serve it."""

    route: str
    """The name of the route."""

    transcoding: Transcoding
    """How the route offers its methods."""

    method: Method
    """Path, shape and idempotency."""

    descriptor: MethodDescriptor
    """The descriptor, in the schema's own pool."""

    codec: Codec
    """JSON for the schema, with the route's options."""

    unknown: UnknownFields
    """Counts the fields of requests that are not known, where the route wants that."""

    @property
    def streams_requests(self) -> bool:
        """Whether the caller may send any number of messages."""
        return self.method.shape in (Shape.CLIENT_STREAM, Shape.BIDI_STREAM)

    @property
    def streams_responses(self) -> bool:
        """Whether the upstream may answer any number of messages."""
        return self.method.shape in (Shape.SERVER_STREAM, Shape.BIDI_STREAM)

    @property
    def streams(self) -> bool:
        """Whether either side streams."""
        return self.method.shape is not Shape.UNARY
