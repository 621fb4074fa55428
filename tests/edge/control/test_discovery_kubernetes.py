"""Discovery by Kubernetes: proto → model."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from edge.control.conversion.discovery import convert_discovery
from edge.control.conversion.scope import Scope
from edge.model.discovery import Discovery, KubernetesDiscovery
from gateway.v1 import upstream_pb2


def converted(kubernetes: dict[str, Any]) -> tuple[Discovery, dict[str, str]]:
    """Convert an upstream and return what is refused by the path of the field."""
    upstream = ParseDict({"name": "upstreams/a", "kubernetes": kubernetes}, upstream_pb2.Upstream())
    scope = Scope()
    return convert_discovery(upstream, scope), {problem.path: problem.description for problem in scope.problems}


def test_everything_that_can_be_said() -> None:
    said = {"service": "checkout", "namespace": "shop", "kubeconfig": "~/.kube/config", "context": "dev/a@b"}
    expected = KubernetesDiscovery(service="checkout", namespace="shop", kubeconfig="~/.kube/config", context="dev/a@b")
    assert converted(said) == (expected, {})


def test_the_port() -> None:
    assert converted({"service": "a"}) == (KubernetesDiscovery(service="a"), {})
    named = KubernetesDiscovery(service="a", port_name="grpc")
    assert converted({"service": "a", "portName": "grpc"}) == (named, {})
    numbered = KubernetesDiscovery(service="a", port_number=65535)
    assert converted({"service": "a", "portNumber": 65535}) == (numbered, {})


@pytest.mark.parametrize(
    ("said", "path", "words"),
    [
        ({"service": ""}, "service", "the name of a service is missing"),
        ({"service": "Checkout"}, "service", "`Checkout` is no name of a service in Kubernetes"),
        ({"service": "a-"}, "service", "no hyphen first or last"),
        ({"service": "a" * 64}, "service", "up to 63 small letters"),
        ({"service": "checkout.shop"}, "service", "give the name alone and the namespace in `namespace`"),
        ({"service": "a", "namespace": "a/b"}, "namespace", "`a/b` is no name of a namespace in Kubernetes"),
        ({"service": "a", "portName": ""}, "port_name", "is empty; leave it out"),
        ({"service": "a", "portName": "a:b"}, "port_name", "`a:b` is no name of a port in Kubernetes"),
        ({"service": "a", "portNumber": 0}, "port_number", "0 is no port"),
        ({"service": "a", "portNumber": 65536}, "port_number", "65536 is no port"),
        ({"service": "a", "context": "dev"}, "context", "is within a kubeconfig file"),
    ],
)
def test_what_is_refused(said: dict[str, Any], path: str, words: str) -> None:
    _, problems = converted(said)
    assert list(problems) == [f"kubernetes.{path}"]
    assert words in problems[f"kubernetes.{path}"]
