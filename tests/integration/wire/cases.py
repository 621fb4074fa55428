"""The conformance table: every MUST of RFC 9113 and RFC 7541 that a caller can observe at a server, as h2spec has them.

Each case is a conversation on a connection of its own. Within each module they are in order of the RFC's sections.
"""

from __future__ import annotations

from tests.integration.wire import cases_connection, cases_flow, cases_hpack, cases_http, cases_streams
from tests.integration.wire.steps import Case

CASES: tuple[Case, ...] = (
    *cases_connection.CASES,
    *cases_streams.CASES,
    *cases_flow.CASES,
    *cases_http.CASES,
    *cases_hpack.CASES,
)
