"""The live side of an upstream: its endpoints, their connections, and what is known of its services.

grpc_endpoint the kept connections of one endpoint to the wire engine; with it grpc_line (one connection, made anew when
              it is lost), grpc_dial (TCP and TLS), grpc_protocol (bytes)
channels      the kept grpc.aio channels and multicallables of one endpoint
unary_call    a unary call without a task of its own
cluster       the endpoints of one upstream: discovery in, balancer out, leases
health        checks endpoints: health_state (when, and what follows) and health_services (what a server says of its
              services) are pure; health_grpc asks by health_calls, over health_wire or health_aio; health_probe is HTTP
              and TCP
narrowing     which endpoints get the calls of which method, where not all do
reflection    asks an endpoint for its descriptors
schemas       keeps the descriptors of an upstream current
schema_survey asks many endpoints and remembers who answered what
versions      which descriptors count when endpoints disagree, and how the others differ
http_endpoint the kept connections of one endpoint that speaks plain HTTP; with it
              http1 (the protocol, no I/O), http_connection (bytes), http_answer (one request), http_dial (TCP and TLS),
              http_web_socket (the only one that needs aiohttp)
clusters      all clusters; keeps unchanged ones when the configuration changes
"""

from edge.upstream.channels import Channels
from edge.upstream.cluster import UpstreamCluster
from edge.upstream.clusters import Clusters
from edge.upstream.grpc_endpoint import GrpcEndpoint

__all__ = ["Channels", "Clusters", "GrpcEndpoint", "UpstreamCluster"]
