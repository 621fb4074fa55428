"""A stand-in for the API server of Kubernetes that lists and watches EndpointSlices.

It answers as kube-apiserver 1.20.2 did when its answers were recorded (`tests/corpus/kubernetes`): a list in pages of
one moment, 410 for a `continue` of before a compaction, a watch that begins with status 200 also when its version is
too old and says so in its first event, bookmarks without a name, nothing but a Status when it refuses.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDED = Path(__file__).parent.parent / "corpus" / "kubernetes"

DEADLINE = 20.0


def recorded(name: str) -> Any:
    """Return a recorded answer, or the events of a recorded watch."""
    text = (RECORDED / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith(".jsonl") else json.loads(text)


def endpoint(host: str, *, pod: str = "", zone: str = "", node: str = "", **conditions: bool | None) -> dict[str, Any]:
    """Return an endpoint of a slice, as v1 has it."""
    result: dict[str, Any] = {"addresses": [host], "conditions": conditions or {"ready": True}}
    if pod:
        result["targetRef"] = {"kind": "Pod", "namespace": "shop", "name": pod, "uid": f"uid-{pod}"}
    return result | ({"zone": zone} if zone else {}) | ({"nodeName": node} if node else {})


def endpoint_slice(name: str, *endpoints: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a slice of the service `checkout` with one port, `grpc`; `more` goes over it."""
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "checkout"}},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": "grpc", "protocol": "TCP", "port": 50051}],
    } | more


class KubeApi:
    """One API server; what it is to do wrong is set by the test."""

    def __init__(self) -> None:
        self.url = ""
        self.slices: dict[str, dict[str, Any]] = {}
        self.version = "v1"
        """The version of discovery.k8s.io that it has."""
        self.tokens = {"good"}
        self.forbidden: set[str] = set()
        """The verbs that are not allowed."""
        self.status = 0
        """What every request is answered with. 0 means in order."""
        self.retry_after = ""
        self.body: bytes | None = None
        """What every list is answered with."""
        self.page = 500
        """The most slices of a page, whatever is asked for."""
        self.ends = False
        """Whether each watch ends as soon as it has begun."""
        self.refuses_version = False
        """Whether a watch of a version that is too old gets status 410, and not an event."""
        self.requests: list[tuple[str, dict[str, str], str]] = []
        """Verb, query and token of each request."""
        self.revision = 100
        self.compacted = 0
        self._events: list[tuple[int, bytes]] = []
        self._watching: dict[asyncio.Queue[bytes], asyncio.Transport] = {}
        self._moved = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        app = web.Application()
        app.router.add_get("/apis/discovery.k8s.io/{version}/namespaces/{namespace}/endpointslices", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """End, with every connection."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def put(self, document: dict[str, Any]) -> None:
        """Make a slice, or change it."""
        self.revision += 1
        name = document["metadata"]["name"]
        kind = "MODIFIED" if name in self.slices else "ADDED"
        self.slices[name] = document | {
            "metadata": document["metadata"] | {"resourceVersion": str(self.revision), "managedFields": []}
        }
        self._happen(kind, self.slices[name])

    def delete(self, name: str) -> None:
        """Remove a slice."""
        self.revision += 1
        gone = self.slices.pop(name)
        self._happen("DELETED", gone | {"metadata": gone["metadata"] | {"resourceVersion": str(self.revision)}})

    def bookmark(self) -> None:
        """Tell those who watch which version they have reached."""
        metadata = {"resourceVersion": str(self.revision), "creationTimestamp": None}
        self._happen("BOOKMARK", {"metadata": metadata, "addressType": "", "endpoints": None, "ports": None})

    def say(self, line: bytes) -> None:
        """Send those who watch a line."""
        self._events.append((self.revision, line + b"\n"))
        for queue in self._watching:
            queue.put_nowait(line + b"\n")

    def compact(self) -> None:
        """Forget what happened until now."""
        self.revision += 1
        self.compacted = self.revision
        self._events.clear()

    def cut(self) -> None:
        """Cut every watch off in the middle of a line."""
        for transport in tuple(self._watching.values()):
            transport.write(b'ff\r\n{"type":"MODIFIED","object":{"kind":"Endpoin')
            transport.abort()

    async def watched(self, count: int = 1) -> None:
        """Wait until there are that many watches."""
        async with asyncio.timeout(DEADLINE), self._moved:
            await self._moved.wait_for(lambda: len(self._watching) == count)

    async def asked(self, verb: str, count: int) -> None:
        """Wait until a verb was asked for that many times."""
        async with asyncio.timeout(DEADLINE), self._moved:
            await self._moved.wait_for(lambda: self.count(verb) >= count)

    def count(self, verb: str) -> int:
        """Return how many requests there were."""
        return sum(1 for each, _, _ in self.requests if each == verb)

    def _happen(self, kind: str, document: dict[str, Any]) -> None:
        named = {"kind": "EndpointSlice", "apiVersion": f"discovery.k8s.io/{self.version}"} | document
        self.say(json.dumps({"type": kind, "object": named}, separators=(",", ":")).encode())

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        verb = "watch" if query.get("watch") == "1" else "list"
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        async with self._moved:
            self.requests.append((verb, query, token))
            self._moved.notify_all()
        if self.status:
            status = {"kind": "Status", "status": "Failure", "message": "try later", "code": self.status}
            return web.json_response(status, status=self.status, headers={"retry-after": self.retry_after or "0"})
        if token not in self.tokens:
            return _status("unauthorized.json")
        if verb in self.forbidden:
            return _status(f"forbidden_{verb}.json")
        if request.match_info["version"] != self.version:
            return _status("not_found.json")
        assert query["labelSelector"] == "kubernetes.io/service-name=checkout"
        if verb == "list":
            return self._list(request, query)
        return await self._watch(request, query)

    def _list(self, request: web.Request, query: dict[str, str]) -> web.Response:
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        start, version = "", self.revision
        if "continue" in query:
            token = json.loads(b64decode(query["continue"]))
            start, version = token["start"], token["rv"]
            if version < self.compacted:
                return _status("gone_continue.json")
        names = [name for name in sorted(self.slices) if name > start]
        most = min(int(query["limit"]), self.page) if "limit" in query else len(names)
        metadata = {"resourceVersion": str(version)}
        if len(names) > most:
            names = names[:most]
            text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": names[-1]})
            metadata["continue"] = b64encode(text.encode()).decode()
        return web.json_response(
            {
                "kind": "EndpointSliceList",
                "apiVersion": f"discovery.k8s.io/{request.match_info['version']}",
                "metadata": metadata,
                "items": [self.slices[name] for name in names],
            }
        )

    async def _watch(self, request: web.Request, query: dict[str, str]) -> web.StreamResponse:
        assert query["allowWatchBookmarks"] == "true"
        assert int(query["timeoutSeconds"]) > 0
        since = int(query["resourceVersion"])
        if since < self.compacted and self.refuses_version:
            return _status("gone_list.json")
        response = web.StreamResponse(headers={"content-type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if since < self.compacted:
            await response.write(json.dumps(recorded("watch_too_old.jsonl")[0]).encode() + b"\n")
            return response
        if self.ends:
            return response
        assert isinstance(request.transport, asyncio.Transport)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        for version, line in self._events:
            if version > since:
                queue.put_nowait(line)
        async with self._moved:
            self._watching[queue] = request.transport
            self._moved.notify_all()
        try:
            while line := await queue.get():
                await response.write(line)
        except OSError:
            pass  # whoever watched has gone, or was cut off
        finally:
            async with self._moved:
                del self._watching[queue]
                self._moved.notify_all()
        return response

    def end_watches(self) -> None:
        """End every watch in order."""
        for queue in self._watching:
            queue.put_nowait(b"")


def _status(name: str) -> web.Response:
    body = recorded(name)
    return web.json_response(body, status=body["code"])
