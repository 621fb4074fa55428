"""Calls a method by WebSocket: sends each message, prints what comes, half-closes, prints how the call ended.

python examples/bookstore/websocket_client.py ws://127.0.0.1:8081/v1/books:recommend '{"subject": "sea"}'

No subprotocol is offered, so a frame is a message as JSON, an empty one is the half-close, and the code of the close is
1000 for OK, else 4000 and the gRPC code. docs/websocket.md has the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import aiohttp

OK = 1000


def main() -> int:
    """Make the call and return 0 when it ended with OK."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="where to call, as in ws://127.0.0.1:8081/v1/books:recommend")
    parser.add_argument("message", nargs="*", help="a request, as JSON")
    arguments = parser.parse_args()
    try:
        return asyncio.run(call(arguments.url, arguments.message))
    except aiohttp.ClientError as error:
        print(f"{arguments.url}: {error}", file=sys.stderr)
        return 1


async def call(url: str, messages: list[str]) -> int:
    """Make a call with these requests and return the exit code."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        for message in (*messages, ""):
            await socket.send_str(message)
        while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            print(frame.data)
        reason = frame.extra or ("OK" if socket.close_code == OK else "no reason was given")
        print(f"closed with {socket.close_code}: {reason}")
        return 0 if socket.close_code == OK else 1


if __name__ == "__main__":
    sys.exit(main())
