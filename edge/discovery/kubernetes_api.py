"""Asks an API server of Kubernetes for the EndpointSlices of one service: list in pages, and watch.

The rules are those of kubernetes.io, "Kubernetes API Concepts": a list tells the resource version to watch from, a
watch ends after `timeoutSeconds`, bookmarks move the version on, and 410 Gone means to list again. `v1` is asked first,
and `v1beta1` of Kubernetes 1.17 to 1.20 where the server does not know that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import quote

import orjson

from edge.discovery.http_json import Answer, HttpJson, UnreachableError
from edge.discovery.kubernetes_config import Access, Credentials
from edge.discovery.kubernetes_slices import Slice, read_slice

PAGE: Final = 500
"""The most slices of one page of a list. A slice has 100 endpoints, so that one page is nearly always all."""

MAX_PAGES: Final = 200
"""The most pages of a list; a server that gives more does not end."""

READ_AGAIN: Final = 60.0
"""The seconds after which credentials are read again for the next request."""

LABEL: Final = "kubernetes.io/service-name"
"""The label that says which service a slice belongs to."""

GRACE: Final = 30.0
"""The seconds a watch may go on after the time it was to end."""

ROLE: Final = '{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}'
"""The rule of a Role that a gateway needs, as YAML."""

_VERSIONS = ("v1", "v1beta1")
_LISTS: tuple[dict[str, str], ...] = ({"limit": str(PAGE)}, {})
_LONGEST_WAIT: Final = 60.0


class GoneError(Exception):
    """The resource version is too old: the slices have to be listed again."""


class RefusedError(Exception):
    """The API server refuses to answer. The message says why and how to mend it."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """The seconds that the server wants us to wait. 0 when it does not say."""


class SliceSet:
    """The slices of a service, by name. Pure."""

    __slots__ = ("_slices", "version")

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}
        self.version = ""
        """The resource version they are of. Empty when they have to be listed."""

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The slices, in the order of their names, so that equal sets are equal."""
        return tuple(one for _, one in sorted(self._slices.items()))

    def replace(self, documents: list[Mapping[str, Any]], version: str) -> None:
        """Take what a list told."""
        self._slices = {document["metadata"]["name"]: read_slice(document) for document in documents}
        self.version = version

    def apply(self, event: Mapping[str, Any]) -> bool:
        """Take an event of a watch and return whether the slices may have changed.

        Raises:
            GoneError: the server has forgotten what happened since `version`.
            RefusedError: the server ends the watch for another reason.
        """
        kind, document = event["type"], event["object"]
        if kind == "ERROR":
            self.version = ""  # the slices stay until they have been listed again
            if document.get("code") == 410:
                raise GoneError
            raise RefusedError(f"the API server has ended the watch: {_message(document) or 'it does not say why'}")
        metadata = document["metadata"]
        self.version = metadata["resourceVersion"]
        if kind == "BOOKMARK":
            return False
        name = metadata["name"]
        if kind == "DELETED":
            return self._slices.pop(name, None) is not None
        before, now = self._slices.get(name), read_slice(document)
        self._slices[name] = now
        return before != now


class SliceApi:
    """The conversation with the API server about one service.

    Args:
        service: The name of the service.
        namespace: Its namespace. Empty means that of the credentials.
        credentials: How to reach the server.
    """

    def __init__(self, service: str, namespace: str, credentials: Credentials) -> None:
        self._service = service
        self._namespace = namespace
        self._credentials = credentials
        self._access: Access | None = None
        self._read_at = 0.0
        self._http: HttpJson | None = None
        self._version = _VERSIONS[0]

    @property
    def words(self) -> str:
        """What is asked for, for people."""
        namespace = self._namespace or (self._access.namespace if self._access is not None else "")
        return f"service {self._service}" + (f" in namespace {namespace}" if namespace else "")

    async def list_all(self) -> tuple[list[Mapping[str, Any]], str]:
        """Return every slice and the resource version to watch from.

        Raises:
            AccessError: the credentials cannot be read.
            RefusedError: the server refuses.
            UnreachableError: it does not answer.
        """
        # again without pages if they have become too old between two: that is one answer of one moment
        for query in _LISTS:
            try:
                return await self._pages(query)
            except GoneError:
                continue
        raise RefusedError("the API server says that a list without a resource version is too old")

    async def watch(
        self, version: str, seconds: int, began: Callable[[], None], take: Callable[[Mapping[str, Any]], None]
    ) -> str:
        """Follow the changes since a version. Return when the watch has ended: why, or nothing if in order.

        Args:
            version: The resource version from which.
            seconds: When the server is to end the watch.
            began: Called when the server has agreed.
            take: Called with each event. What it raises ends the watch and is raised.

        Raises:
            GoneError: the version is too old.
            AccessError: the credentials cannot be read.
            RefusedError: the server refuses.
            UnreachableError: it does not answer.
        """
        query = self._query() | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        for again in (False, True):
            access, http = await self._reach(fresh=again)
            agreed = False
            try:
                async with http.stream(
                    self._path(access), query, headers=access.headers, deadline=seconds + GRACE
                ) as answer:
                    if answer.status == 401 and not again:
                        continue
                    if answer.status != 200:
                        await answer.read()
                        raise self._refusal(answer, access, "watch")
                    began()
                    agreed = True
                    async with aclosing(answer.lines()) as lines:
                        async for line in lines:
                            take(_event(line))
                return ""
            except UnreachableError as error:
                if agreed:
                    return str(error)
                raise
        return ""

    async def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            await self._http.close()

    def _query(self) -> dict[str, str]:
        return {"labelSelector": f"{LABEL}={self._service}"}

    def _path(self, access: Access) -> str:
        namespace = quote(self._namespace or access.namespace, safe="")
        return f"/apis/discovery.k8s.io/{self._version}/namespaces/{namespace}/endpointslices"

    async def _pages(self, query: dict[str, str]) -> tuple[list[Mapping[str, Any]], str]:
        documents: list[Mapping[str, Any]] = []
        more: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            body = await self._page(self._query() | query | more)
            documents.extend(body.get("items") or ())
            metadata = body["metadata"]
            if not metadata.get("continue"):
                return documents, metadata["resourceVersion"]
            more = {"continue": metadata["continue"]}
        raise RefusedError(f"the list of EndpointSlices does not end: more than {MAX_PAGES} pages")

    async def _page(self, query: Mapping[str, str]) -> Any:
        fresh = False
        for _ in range(len(_VERSIONS) + 1):
            access, http = await self._reach(fresh=fresh)
            answer = await http.request(self._path(access), query, headers=access.headers)
            if answer.status == 200:
                return answer.body
            if answer.status == 401 and not fresh:
                fresh = True
            elif answer.status == 404 and self._version != _VERSIONS[-1]:
                self._version = _VERSIONS[-1]
            else:
                break
        raise self._refusal(answer, access, "list")

    async def _reach(self, *, fresh: bool) -> tuple[Access, HttpJson]:
        """Return the credentials and a client, made anew when what they are for is another."""
        now = asyncio.get_running_loop().time()
        before = self._access
        if before is not None and self._http is not None and not fresh and now - self._read_at < READ_AGAIN:
            return before, self._http
        access = await self._credentials.read()
        self._access, self._read_at = access, now
        if self._http is None or before is None or _place(before) != _place(access):
            await self.close()
            self._http = HttpJson(access.url, tls=access.tls, server_name=access.server_name, proxy=access.proxy)
        return access, self._http

    def _refusal(self, answer: Answer, access: Access, verb: str) -> Exception:
        """Return what is raised for a status that is no 200."""
        message = _message(answer.body) if isinstance(answer.body, Mapping) else ""
        said = f" ({message})" if message else ""
        if answer.status == 404:
            self._version = _VERSIONS[0]  # an update of the cluster takes the old version away
        if answer.status == 410 or (answer.status == 404 and verb == "watch"):
            return GoneError()
        if answer.status == 401:
            return RefusedError(
                f"the API server does not accept the credentials of {access.words}, also after reading them again: "
                f"401{said}. Has the token expired, or is it for another cluster?"
            )
        if answer.status == 403:
            namespace = self._namespace or access.namespace
            return RefusedError(
                f'the API server forbids to {verb} endpointslices in namespace "{namespace}" with {access.words}'
                f"{said}. Bind its user to a Role of that namespace with the rule `{ROLE}`"
            )
        if answer.status == 404:
            return RefusedError("the server has no discovery.k8s.io/v1 nor v1beta1: is it an API server of Kubernetes?")
        return RefusedError(f"the API server answers {answer.status}{said}", _retry_after(answer))


def _place(access: Access) -> tuple[str, ...]:
    return access.url, access.server_name, access.proxy, access.tls_digest


def _event(line: bytes) -> Mapping[str, Any]:
    event = orjson.loads(line)
    if not isinstance(event, Mapping):
        raise TypeError("an event of a watch is no object")
    return event


def _message(status: Mapping[str, Any]) -> str:
    """Return what a Status says, short."""
    return " ".join(str(status.get("message") or "").split())[:300]


def _retry_after(answer: Answer) -> float:
    """Return the seconds that the server asks for, which it sends with 429."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isdecimal() else 0.0
