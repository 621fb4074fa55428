"""Runs a corpus through a gateway of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

from tests.corpus.backend import Backend, Reply, reply
from tests.corpus.cases import Case, Corpus, Json
from tests.corpus.checks import Checker, Observed, any_of
from tests.corpus.conditions import check, scene
from tests.corpus.descriptors import Schemas, with_imports
from tests.corpus.features import missing, unknown_options
from tests.corpus.http1 import Request, exchange
from tests.corpus.loading import Entry, Loader, Refused
from tests.corpus.report import Outcome, Result
from tests.corpus.requests import Sent, requests
from tests.corpus.services import TEMPLATE_KINDS, file, methods, template
from tests.support.gateway import Gateway

AT_ONCE = 16
"""The cases that are asked about at the same time."""

KINDS = {"path_match", "percent_decoding", "query_binding", "body_binding", "response", "status_map", "error_status"}
"""The kinds that need calls, besides `TEMPLATE_KINDS`."""

CONFIGURATION = {
    "server": {
        "listeners": [
            {"name": "traffic", "address": "127.0.0.1:0"},
            {"name": "http", "address": "127.0.0.1:0", "protocol": "PROTOCOL_HTTP"},
        ]
    }
}


async def run(corpus: Corpus, folder: Path, *, everything: bool = False) -> list[Result]:
    """Start a gateway, ask it about every case, and end it.

    Args:
        corpus: The cases.
        folder: Where the gateway's files go.
        everything: Whether cases are run also that require features which are not offered.

    Returns:
        What became of each case, in the order of the file.

    Raises:
        ProcessFailed: the gateway did not start.
        Refused: the gateway does not even take the types of the corpus.
    """
    gateway = Gateway("corpus-gateway", folder, CONFIGURATION)
    await asyncio.to_thread(gateway.start)
    try:
        async with Backend() as backend:
            return await Run(corpus, gateway, backend, everything).results()
    finally:
        await asyncio.to_thread(gateway.stop)


class Run:
    """One run of a corpus.

    Args:
        corpus: The cases.
        gateway: The gateway, running and empty.
        backend: Its upstreams.
        everything: Whether cases are run also that require features which are not offered.
    """

    def __init__(self, corpus: Corpus, gateway: Gateway, backend: Backend, everything: bool) -> None:
        self._corpus = corpus
        self._gateway = gateway
        self._backend = backend
        self._everything = everything
        self._schemas = Schemas(corpus.schemas)
        self._failed: dict[int, str] = {}
        self._pool: DescriptorPool
        self._checker: Checker

    async def results(self) -> list[Result]:
        """Return what became of each case, in order."""
        cases = [case for case in self._corpus.cases if self._everything or not missing(case)]
        usable = [case for case in cases if self._usable(case)]
        self._pool = pool(self._schemas, usable)
        self._checker = Checker(self._pool)
        loader = Loader(self._gateway.admin, self._schemas, self._backend.grpc_address, self._backend.raw_address)
        try:
            await self._templates(loader, [case for case in usable if case.kind in TEMPLATE_KINDS])
            asked = [case for case in usable if case.kind in KINDS]
            refused = await loader.load([entry for case in asked if (entry := self._entry(case)) is not None])
        finally:
            await loader.close()
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> None:
            async with limit:
                await self._calls(case, refused.get(case.number, ""))

        await asyncio.gather(*(one(case) for case in asked if case.number not in self._failed))
        return [self._result(case) for case in self._corpus.cases]

    def _result(self, case: Case) -> Result:
        if not self._everything and (features := missing(case)):
            return Result(case, Outcome.SKIPPED, ", ".join(features))
        problem = self._failed.get(case.number)
        return Result(case, Outcome.FAILED, problem) if problem else Result(case, Outcome.PASSED)

    def _usable(self, case: Case) -> bool:
        """Whether we understand a case; one that we do not is a failure."""
        try:
            if case.kind not in KINDS and case.kind not in TEMPLATE_KINDS:
                raise ValueError(f"unknown kind {case.kind}")
            if unknown := unknown_options(case):
                raise ValueError(f"unknown options {', '.join(unknown)}")
            if case.kind == "error_status" and scene(case.raw["condition"]) is None:
                raise ValueError(f"unknown condition: {case.raw['condition']}")
            file(case, self._schemas)
        except (ValueError, KeyError, json_format.ParseError) as error:
            self._failed[case.number] = f"not understood: {error}"
            return False
        return True

    async def _templates(self, loader: Loader, cases: list[Case]) -> None:
        """Ask about the rules, as annotations and as rules of a route."""
        for case in cases:
            problems = []
            for annotated in (True, False):
                how = "as an annotation" if annotated else "in transcoding.rules"
                try:
                    refusal = await loader.accepts(case, annotated=annotated)
                except Refused as error:
                    problems.append(f"{how}: {error.words()}")
                    continue
                if not any(outcome["accept"] is not bool(refusal) for outcome in case.outcomes):
                    problems.append(f"{how}: {refusal or 'it was accepted'}")
            if problems:
                shown = "; ".join(template(method.rule) for method in methods(case))
                self._failed[case.number] = f"{shown}: {'; '.join(problems)}"

    def _entry(self, case: Case) -> Entry | None:
        """Return how a case is put into the gateway, and tell the upstream what to answer."""
        try:
            answer, kind, route = self._reply(case), "grpc", {}
            if case.kind == "error_status" and (made := scene(case.raw["condition"])) is not None:
                answer, kind, route = made.reply, made.upstream or kind, made.route
        except (ValueError, json_format.ParseError) as error:
            self._failed[case.number] = f"not understood: {error}"
            return None
        if answer is not None:
            self._backend.replies[case.service] = answer
            kind = "raw" if answer.raw else kind
        return Entry(case, kind, route)

    def _reply(self, case: Case) -> Reply | None:
        if case.kind == "response":
            upstream = case.raw["upstream"]
            kind = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(case.raw["message"]))
            messages = [
                json_format.ParseDict(found, kind(), descriptor_pool=self._pool).SerializeToString()
                for found in upstream.get("messages", ())
            ]
            return reply(upstream, messages)
        if case.kind in ("query_binding", "body_binding"):
            return Reply(messages=[b""])
        if case.kind == "status_map":
            if case.raw.get("direction") != "http_to_grpc":
                return Reply(status=case.raw["grpc_code"])
            status = case.raw["http_status"]
            # without a status, but otherwise as gRPC has it, is the harder form of a 200
            return Reply(http={"status": status, "content_type": "application/grpc" if status == 200 else "text/plain"})
        return None

    def _requests(self, case: Case) -> Iterator[Sent]:
        if case.kind == "error_status":
            made = scene(case.raw["condition"])
            assert made is not None
            yield Sent(made.request)
        elif case.kind == "status_map":
            yield Sent(Request("GET", "/get"))
        elif case.kind == "response" and "request" not in case.raw:
            streams = {str(outcome.get("content_type", "")) for outcome in case.outcomes} & {"text/event-stream"}
            accept = tuple(("Accept", kind) for kind in streams)
            yield Sent(Request(case.http["method"], case.http["template"], accept, self._body(case)))
        else:
            yield from requests(case)

    @staticmethod
    def _body(case: Case) -> bytes | None:
        return b"{}" if case.http.get("body") else None

    async def _calls(self, case: Case, refusal: str) -> None:
        """Make the requests of a case one after another, and write down what is wrong with the first that fails."""
        if refusal:
            if not any(outcome.get("unsupported") for outcome in case.outcomes):
                self._failed[case.number] = f"refused when loaded: {refusal}"
            return
        try:
            for sent in self._requests(case):
                seen = await self._ask(case, sent)
                if problem := any_of(partial(self._compare, case, seen), case.outcomes, seen):
                    self._failed[case.number] = problem
                    return
        except (ConnectionError, TimeoutError) as error:
            self._failed[case.number] = f"no answer: {type(error).__name__} {error}"
        except (ValueError, KeyError) as error:
            self._failed[case.number] = f"not understood: {type(error).__name__} {error}"

    def _compare(self, case: Case, seen: Observed, outcome: Json) -> str:
        if case.kind == "error_status":
            return check(case.raw["condition"], outcome, seen)
        return self._checker.of(case.kind)(case, outcome, seen, methods(case))

    async def _ask(self, case: Case, sent: Sent) -> Observed:
        self._backend.take(case.service)
        answer = await exchange(self._gateway.http, case.host, sent.request)
        return Observed(sent, answer, self._backend.take(case.service))


def pool(schemas: Schemas, cases: list[Case]) -> DescriptorPool:
    """Return the types of a run, the messages made for cases among them.

    Raises:
        TypeError: they do not fit together.
    """
    found = descriptor_pool.DescriptorPool()
    for one in with_imports([*schemas.files, *(file(case, schemas) for case in cases)]):
        found.Add(one)
    return found
