"""The values that the parts of the gateway hand to each other.

Nothing here knows a wire protocol, a server library or a socket: no grpc, no aiohttp, no asyncio but for `Watch`. Every
other package may import this one; it imports none of them.

    Call            one RPC on its way, whatever protocol it came in by
    Status          how a call ended: code, message, details
    GatewayError    a refusal of ours, with a reason and what to do about it
    Configuration   routes, upstreams, policies, … as validated, frozen values
    Snapshot        a configuration compiled for look-ups; a call sees exactly one
    SchemaSet       the protobuf descriptors of an upstream
    Watch           a current value that others can follow
"""
