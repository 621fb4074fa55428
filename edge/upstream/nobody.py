"""What callers are told when no endpoint of an upstream takes their call."""

from __future__ import annotations

from edge.model.endpoint import USABLE
from edge.model.errors import CircuitOpen, ConcurrencyLimited, GatewayError, NoHealthyEndpoint
from edge.model.snapshot import Cluster
from edge.upstream.narrowing import Narrow


def nobody(cluster: Cluster, method: str, narrow: Narrow | None, *, most: int = 0) -> GatewayError:
    """Return the refusal. Addresses and reasons are its cause, which is for operators.

    Args:
        cluster: The upstream.
        method: The path of the method.
        narrow: Which endpoints serve the method, where not all that take calls do.
        most: `limits.max_calls_per_endpoint`, 0 for none. An endpoint may have fewer: half-open ones are only tried.
    """
    name, endpoints = cluster.name, cluster.endpoints
    full = [one for one in endpoints if one.state in USABLE and one.active >= one.max_active]
    if full and not any(most and one.active >= most for one in full):
        return CircuitOpen(
            f"calls to upstream {name} are held back: as many as may try endpoints that failed before",
            metadata={"upstream": name},
        )
    if full:
        return ConcurrencyLimited(
            f"upstream {name}: every endpoint has as many calls under way as it may (max_calls_per_endpoint)",
            metadata={"limit": "limits.max_calls_per_endpoint", "upstream": name},
        )
    if endpoints:
        what = f"none of its {len(endpoints)} endpoints takes calls"
    else:
        what = "it has no endpoints" if cluster.discovery.attempted else "where its endpoints are is not known yet"
    metadata = {"upstream": name}
    if narrow is not None:
        what = narrow.refusal or what
        metadata |= {"service": narrow.service} if narrow.service else {"method": method}
    return NoHealthyEndpoint(
        f"upstream {name} is not available: {what}",
        metadata=metadata,
        cause="; ".join(f"{endpoint.address} {endpoint.reason}" for endpoint in endpoints) or cluster.discovery.error,
    )
