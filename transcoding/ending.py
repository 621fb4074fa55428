"""How a call ended, ready to be said in the caller's protocol."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from edge.model.call import MetadataPairs
from edge.model.errors import GatewayError, RedirectReply, VerbNotAllowed
from edge.model.http import HeaderPairs
from edge.model.invoke import UpstreamError
from edge.model.status import HTTP_STATUS, Code, Status

_RETRY_INFO = "google.rpc.RetryInfo"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    status: Status
    """Code, message and details."""

    http_status: int
    """The status for HTTP callers."""

    headers: HeaderPairs = ()
    """What an HTTP answer says besides, such as `allow`."""

    initial: MetadataPairs = ()
    """The upstream's initial metadata."""

    trailing: MetadataPairs = ()
    """The upstream's trailing metadata, without the status."""

    @classmethod
    def of_refusal(cls, error: GatewayError) -> Ending:
        """Return how a call ends that the gateway refuses."""
        status = error.status
        headers: list[tuple[str, str]] = []
        if isinstance(error, VerbNotAllowed):
            headers.append(("allow", ", ".join(error.allow)))
        elif isinstance(error, RedirectReply):
            headers.append(("location", error.location))
        return cls(status, error.http_status or HTTP_STATUS[status.code], (*headers, *_hints(status)))

    @classmethod
    def of_upstream(cls, error: UpstreamError) -> Ending:
        """Return how a call ends that the upstream ended."""
        status = error.status
        return cls(status, HTTP_STATUS[status.code], _hints(status), error.initial, error.trailing)


def _hints(status: Status) -> list[tuple[str, str]]:
    """Return the headers that HTTP has for what a status says."""
    if status.code is Code.UNAUTHENTICATED:
        return [("www-authenticate", "Bearer")]  # RFC 9110 section 15.5.2 wants a challenge with each 401
    for detail in status.details:
        if detail.type_url.rpartition("/")[2] == _RETRY_INFO:
            try:
                delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
            except DecodeError:
                continue
            # RFC 9110 section 10.2.3: whole seconds, so never earlier than said
            return [("retry-after", str(max(delay.seconds + (delay.nanos > 0), 0)))]
    return []


OK = Status(Code.OK)
"""The status of a call that succeeded."""
