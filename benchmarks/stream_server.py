"""The echo service of the tests as a process: streams and downloads of any size, and a chat for WebSockets.

python -m benchmarks.stream_server PORT_FILE
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from tests.support.echo import EchoServer


async def serve(port_file: Path) -> None:
    """Serve until SIGTERM. The port is in `port_file` once calls are taken."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with EchoServer() as server:
        beside = port_file.with_suffix(".new")
        beside.write_text(str(server.port))
        beside.replace(port_file)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
