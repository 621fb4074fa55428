"""What the gateway API refuses about a resource (AIP-193; the names are those of `gateway.v1.ErrorReason`)."""

from __future__ import annotations

from edge.model.errors import GatewayError
from edge.model.status import Code


class ResourceNotFound(GatewayError):
    """There is no such resource."""

    code = Code.NOT_FOUND
    reason = "RESOURCE_NOT_FOUND"


class ResourceExists(GatewayError):
    """There is such a resource already."""

    code = Code.ALREADY_EXISTS
    reason = "RESOURCE_EXISTS"


class EtagMismatch(GatewayError):
    """The etag is not current."""

    code = Code.ABORTED
    reason = "ETAG_MISMATCH"


class ResourceInUse(GatewayError):
    """The resource is named by others."""

    code = Code.FAILED_PRECONDITION
    reason = "RESOURCE_IN_USE"


class DeclaredInFile(GatewayError):
    """The resource is declared in a file and changed there."""

    code = Code.FAILED_PRECONDITION
    reason = "DECLARED_IN_FILE"
