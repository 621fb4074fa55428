"""Metadata of transcoded calls as header blocks, and back. What repeats is made once.

:method :scheme :authority    by connection
:path                         by method
grpc-timeout                  by call
te, content-type, …           always the same
metadata, x-forwarded-for     by caller, as long as it sends the same
x-request-id                  by call, unless the caller has its own
"""

from __future__ import annotations

from typing import Final

from edge.model.call import Call, MetadataPairs
from edge.model.request_id import new_request_id
from edge.model.resilience import PREVIOUS_ATTEMPTS, attempts_before
from edge.model.snapshot import RoutePlan
from edge.proxy.exchange import initial_for
from edge.proxy.metadata import outgoing, valid
from edge.proxy.wire_messages import ACCEPTED
from edge.upstream.channels import USER_AGENT
from edge.wire.client import ClientConnection
from edge.wire.environment import Environment
from edge.wire.heads import AnswerHead, Field
from edge.wire.hpack_encoder import literal
from edge.wire.translate import text_fields, timeout_text

MAX_METHODS: Final = 1024
"""Methods whose fields are kept. Routes with patterns let callers choose the names."""

MAX_CALLERS: Final = 256
"""Metadata of callers that is kept."""

MAX_HEADS: Final = 512
"""Heads and trailers of answers of which is kept what they say."""

CONSTANT: Final[tuple[Field, ...]] = (
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("grpc-accept-encoding", ACCEPTED),
    ("user-agent", USER_AGENT),
)
"""What every request has."""

_HIDDEN: Final = frozenset(
    {"content-type", "content-length", "grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding"}
    | {"date", "server", "te", "user-agent"}
)
"""Fields of an answer that are not its metadata."""


class Sent:
    """The fields of a request that come from the caller.

    Args:
        fields: The fields, without `x-request-id`.
        request_id: The caller's own request id, or the empty text.
    """

    __slots__ = ("fields", "kept", "request_id")

    def __init__(self, fields: tuple[Field, ...], request_id: str) -> None:
        self.fields = fields
        self.request_id = request_id
        self.kept = False
        """Whether they have come again, so that their block is worth keeping."""


class Translator:
    """Makes header blocks of calls, and metadata of answers.

    Args:
        environment: What is known of peers, and the limit of metadata.
    """

    __slots__ = ("_initial", "_methods", "_sent", "_trailing", "env")

    def __init__(self, environment: Environment) -> None:
        self.env = environment
        self._methods: dict[str, tuple[tuple[Field, ...], tuple[Field, ...]]] = {}
        self._sent: dict[tuple[tuple[tuple[str, str | bytes], ...], str, bool], Sent] = {}
        self._initial: dict[AnswerHead, tuple[RoutePlan, MetadataPairs]] = {}
        self._trailing: dict[AnswerHead, MetadataPairs] = {}

    # === requests ===

    def sent(self, call: Call, peer_text: str) -> Sent:
        """Return what of a call's metadata goes upstream, and put the request id into the call.

        Args:
            call: The call.
            peer_text: Who sent it, in grpc's words.

        Raises:
            MetadataTooLarge: the caller sent more than the limit.
        """
        peer = self.env.peers.get(peer_text)
        key = (tuple(call.metadata), peer.ip, peer.trusted)
        known = self._sent.get(key)
        if known is not None:
            known.kept = True
            call.request_id = known.request_id or new_request_id()
            return known
        pairs = outgoing(call, peer, self.env.max_metadata)
        own = call.request_id if ("x-request-id", call.request_id) in key[0] else ""
        # the request id is the last one
        found = Sent(tuple(text_fields(pairs[:-1])), own)
        if len(self._sent) >= MAX_CALLERS:
            self._sent.clear()
        self._sent[key] = found
        return found

    def block(self, conn: ClientConnection, call: Call, sent: Sent, *, left: float, encoding: str) -> bytes:
        """Return the header block of a request.

        Args:
            conn: The connection. The block is for it alone, and has to be sent before any other.
            call: The call.
            sent: What `sent` returned for it.
            left: The seconds that the endpoint has, or -1 for no limit.
            encoding: How messages are compressed. Empty for not at all.

        Raises:
            ValueError: a policy has put a character into the metadata that no header takes.
        """
        encoder = conn.encoder
        known = self._methods.get(call.method)
        if known is None:
            path = (":path", call.method)
            known = ((path,), (path, *CONSTANT))
            if len(self._methods) < MAX_METHODS:
                self._methods[call.method] = known
        block = encoder.encode_kept(conn.prefix)
        if left < 0.0:
            block += encoder.encode_kept(known[1])
        else:
            # right behind the pseudo-headers (gRPC doc/PROTOCOL-HTTP2.md)
            block += encoder.encode_kept(known[0])
            block += literal("grpc-timeout", timeout_text(left))
            block += encoder.encode_kept(CONSTANT)
        if encoding:
            block += literal("grpc-encoding", encoding)
        retries = call.retries
        if retries is not None and retries.count + retries.hedges:
            # rare, and another one each time
            block += encoder.encode(tuple(field for field in sent.fields if field[0] != PREVIOUS_ATTEMPTS))
            block += literal(PREVIOUS_ATTEMPTS, attempts_before(sent.fields, retries.count + retries.hedges))
        else:
            block += encoder.encode_kept(sent.fields) if sent.kept else encoder.encode(sent.fields)
        return block + literal("x-request-id", call.request_id)

    # === answers ===

    def initial(self, head: AnswerHead | None, plan: RoutePlan) -> MetadataPairs:
        """Return the initial metadata of an answer, after the route's policies. Without a head there is what they add.

        Args:
            head: The head of the answer.
            plan: The route.
        """
        if head is None:
            return initial_for(plan, ()) if plan.response_changes else ()
        known = self._initial.get(head)
        if known is not None and known[0] is plan:
            return known[1]
        found = initial_for(plan, [pair for pair in head.pairs() if pair[0] not in _HIDDEN])
        if head.kept:
            if len(self._initial) >= MAX_HEADS:
                self._initial.clear()
            self._initial[head] = (plan, found)
        return found

    def trailing(self, head: AnswerHead) -> MetadataPairs:
        """Return the trailing metadata of an answer, without its status."""
        known = self._trailing.get(head)
        if known is not None:
            return known
        found = valid([pair for pair in head.pairs() if pair[0] not in _HIDDEN])
        if head.kept:
            if len(self._trailing) >= MAX_HEADS:
                self._trailing.clear()
            self._trailing[head] = found
        return found
