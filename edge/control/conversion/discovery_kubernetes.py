"""Discovery by Kubernetes: proto → model."""

from __future__ import annotations

import re

from edge.control.conversion.scope import Scope
from edge.model.discovery import KubernetesDiscovery
from gateway.v1 import upstream_pb2

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def convert_kubernetes(kubernetes: upstream_pb2.KubernetesDiscovery, scope: Scope) -> KubernetesDiscovery:
    """Return which service to follow, and how to reach the API server.

    The kubeconfig is not read here: a file that is missing, or a token in it that has expired, is shown in the health
    of the upstream and tried again, and does not refuse the whole configuration.
    """
    if not kubernetes.service:
        scope.field("service").refuse("the name of a service is missing, as in `service: checkout`")
    else:
        _label(kubernetes.service, "service", scope.field("service"))
    if kubernetes.namespace:
        _label(kubernetes.namespace, "namespace", scope.field("namespace"))
    port = kubernetes.WhichOneof("port")
    if port == "port_name":
        if not kubernetes.port_name:
            scope.field("port_name").refuse("is empty; leave it out when the service has just one port")
        else:
            _label(kubernetes.port_name, "port", scope.field("port_name"))
    elif port == "port_number" and not 1 <= kubernetes.port_number <= 65535:
        scope.field("port_number").refuse(f"{kubernetes.port_number} is no port, which is a number from 1 to 65535")
    if kubernetes.context and not kubernetes.kubeconfig:
        scope.field("context").refuse("is within a kubeconfig file; say which with `kubeconfig`, or leave it out")
    return KubernetesDiscovery(
        service=kubernetes.service,
        namespace=kubernetes.namespace,
        port_name=kubernetes.port_name,
        port_number=kubernetes.port_number,
        kubeconfig=kubernetes.kubeconfig,
        context=kubernetes.context,
    )


def _label(value: str, what: str, scope: Scope) -> None:
    """Refuse what cannot be a name in Kubernetes (RFC 1123 label), such as a name with its namespace behind it."""
    if _LABEL.fullmatch(value):
        return
    hint = "; give the name alone and the namespace in `namespace`" if what == "service" and "." in value else ""
    scope.refuse(
        f"`{value}` is no name of a {what} in Kubernetes: up to 63 small letters, digits and hyphens, "
        f"no hyphen first or last{hint}"
    )
