"""Which engine the gateways of the tests run on: `EDGE_ENGINE` is `wire`, the default, or `grpc.aio`."""

from __future__ import annotations

import os

ENGINE = os.environ.get("EDGE_ENGINE", "wire")
"""The engine."""

AIO = ENGINE == "grpc.aio"
"""Whether it is grpc.aio, which makes some of what is tested impossible."""

assert ENGINE in ("wire", "grpc.aio"), f"EDGE_ENGINE is {ENGINE!r}: it has to be wire or grpc.aio"
