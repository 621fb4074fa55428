"""`GET /openapi.json`: the routes that ask for it, described once for each configuration."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from edge.model.call import Protocol
from edge.model.config import Route
from edge.model.http import HttpRequest
from transcoding.headers import host_name
from transcoding.index import Index
from transcoding.openapi.document import document
from transcoding.plain import JsonErrors
from transcoding.session import Responder, Session

OPENAPI_PATH = "/openapi.json"
"""Where the document is."""

_MOST_KEPT = 16
"""The most documents of one configuration that are kept: one for each set of routes that hosts lead to."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is sent."""

    text: bytes
    """The JSON."""

    etag: str
    """Its strong entity tag, in quotes (RFC 9110 section 8.8.3)."""


@dataclass(slots=True)
class _Kept:
    """The documents of one index."""

    index: Index
    """What they describe."""
    documents: dict[tuple[str, ...], Document] = field(default_factory=dict)
    """By the names of the routes."""


class Documents:
    """The OpenAPI documents of what can be reached; the `documents` of a `Transcoder`.

    Args:
        title: What the API is called. Empty makes a title from the names of the services.
    """

    def __init__(self, title: str = "") -> None:
        self.title = title
        self._kept: _Kept | None = None
        self._making = asyncio.Lock()

    def __call__(self, request: HttpRequest, index: Index) -> Responder | None:
        """Return who answers a request for the document, or None when there is none for this host."""
        if request.path != OPENAPI_PATH or request.verb not in ("GET", "HEAD"):
            return None
        host = host_name(request.host)
        routes = tuple(name for name in index.routes if _is_shown(index.snapshot.plans[name].route, host))
        return _DocumentResponder(self, index, routes) if routes else None

    async def of(self, index: Index, routes: tuple[str, ...]) -> Document:
        """Return the document of some routes, made in a worker thread when it is asked for first.

        Args:
            index: What can be reached.
            routes: The names of routes that the index has.
        """
        async with self._making:
            kept = self._kept
            if kept is None or kept.index is not index:
                kept = self._kept = _Kept(index)
            found = kept.documents.get(routes)
            if found is None:
                found = await asyncio.to_thread(_make, index, routes, self.title)
                while len(kept.documents) >= _MOST_KEPT:
                    del kept.documents[next(iter(kept.documents))]
                kept.documents[routes] = found
            return found


class _DocumentResponder(JsonErrors):
    """Answers with a document."""

    __slots__ = ("_documents", "_index", "_routes")

    def __init__(self, documents: Documents, index: Index, routes: tuple[str, ...]) -> None:
        self._documents = documents
        self._index = index
        self._routes = routes

    async def answer(self, session: Session) -> None:
        """Send the document, or 304 when the caller has it."""
        found = await self._documents.of(self._index, self._routes)
        headers = (("etag", found.etag), ("cache-control", "no-cache"))
        if _has(session.exchange.request.header("if-none-match"), found.etag):
            await session.respond(304, headers)
        else:
            await session.respond(200, (("content-type", "application/json"), *headers), found.text)


def _make(index: Index, routes: tuple[str, ...], title: str) -> Document:
    rules = [
        rule
        for name in routes
        for part in index.routes[name]
        for rule in part.rules
        if Protocol.REST not in rule.offer.transcoding.disabled
    ]
    services = dict.fromkeys(rule.binding.method.containing_service.full_name for rule in rules)
    files = {
        data: None
        for name in routes
        for upstream in index.snapshot.plans[name].upstreams
        for data in upstream.cluster.schema.files.values()
    }
    made = document(rules, title=title or _title(services), version=_version(services), files=files)
    text = orjson.dumps(made)
    return Document(text, f'"{hashlib.sha256(text).hexdigest()[:32]}"')


def _title(services: Iterable[str]) -> str:
    names = [service.rpartition(".")[2] for service in services]
    if not names:
        return "Nothing is reached by REST"
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more services"


def _version(services: Iterable[str]) -> str:
    """Return the version that the packages have in common, as in `bookstore.v1`."""
    found = {service.split(".")[-2] if service.count(".") else "" for service in services}
    version = found.pop() if len(found) == 1 else ""
    return version if version[:1] == "v" and version[1:2].isdigit() else "v1"


def _is_shown(route: Route, host: str) -> bool:
    if route.transcoding is None or not route.transcoding.openapi:
        return False
    if not route.matches:
        return True
    return any(not match.hosts or any(_takes(pattern, host) for pattern in match.hosts) for match in route.matches)


def _takes(pattern: str, host: str) -> bool:
    """Whether a host pattern of a route takes a host name."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _has(sent: str, etag: str) -> bool:
    """Whether `if-none-match` names the document the caller would get (RFC 9110 section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in sent.split(",")]
    return etag in tags or "*" in tags
