"""Refusals of EndpointService."""

from __future__ import annotations

from edge.model.errors import GatewayError
from edge.model.status import Code


class NotRegistered(GatewayError):
    """The endpoints of the upstream do not register themselves: they come from elsewhere and are changed there."""

    code = Code.FAILED_PRECONDITION
    reason = "NOT_REGISTERED"


class TooManyEndpoints(GatewayError):
    """As many endpoints have registered with the upstream as may."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_ENDPOINTS"
