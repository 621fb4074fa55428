"""edge: a gRPC-first service-mesh edge.

A call goes through these packages in this order, and ARCHITECTURE.md tells its life:

    listeners → proxy.handler → Call → routing → policies → upstream (balancing, discovery) → telemetry

`model` holds the values they hand to each other; `control` is the gateway API that changes the configuration; `admin`
shows what the gateway does; `app` puts everything together and `cli` starts it.
"""

__version__ = "0.1.0"
