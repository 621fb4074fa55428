"""The header block that an endpoint gets: what the caller sent, and what is the gateway's to say."""

from __future__ import annotations

from typing import Final

from edge.model.request_id import new_request_id
from edge.model.resilience import PREVIOUS_ATTEMPTS, attempts_before
from edge.wire.answer import AnsweredCall
from edge.wire.client import ClientConnection
from edge.wire.hpack_literals import append_literal
from edge.wire.names import HANDED
from edge.wire.translate import request_fields, timeout_text

AT_ONCE: Final = 0.0005
"""Seconds after which the caller's time limit is not handed on as it came but computed anew."""


class SentCall(AnsweredCall):
    """What a call says to its endpoint first."""

    __slots__ = ()

    def request_block(self, conn: ClientConnection) -> bytes:
        """Return the header block for the endpoint.

        Raises:
            MetadataTooLarge: the caller sent more than the limit.
        """
        call = self.call
        env = self.env
        head = self.head
        peer = env.peers.get(self.peer)
        if not self.handed:
            call.peer = peer.address  # the core does the same
        same = call.metadata is head.metadata
        kept = head.kept and same
        shape = head.shape if same and not kept and head.size <= env.max_metadata else None
        request_id = call.request_id  # of the attempt before
        if shape is not None:
            fields = shape.send(peer)
            call.request_id = ""
        elif kept and head.sent:
            fields = head.sent
            call.request_id = head.request_id
        else:
            fields = request_fields(head, call, peer, env.max_metadata)
            if kept:
                head.sent = fields
                head.request_id = call.request_id
        before = ""
        retries = call.retries
        if retries is not None and retries.count + retries.hedges:
            before = attempts_before(call.metadata, retries.count + retries.hedges)
            shape = None
            kept = False
            fields = request_fields(head, call, peer, env.max_metadata)
            fields = tuple([field for field in fields if field[0] != PREVIOUS_ATTEMPTS])
        encoder = conn.encoder
        out = [encoder.encode_kept(conn.prefix)]
        sensitive = head.sensitive
        timeout = ""
        if self.limit_end >= 0.0:
            # right behind the pseudo-headers (gRPC doc/PROTOCOL-HTTP2.md)
            if self.limit_whose == "caller" and env.now() - call.started < AT_ONCE:
                timeout = head.timeout_text
            else:
                timeout = timeout_text(max(self.limit_end - env.now(), 0.0))
        if shape is not None:
            append_literal(":path", head.path, out)
            if timeout:
                append_literal("grpc-timeout", timeout, out)
            out.append(encoder.encode_kept(fields))
            received = head.received
            for at in shape.handed_on:
                name, value = received[at]
                append_literal(name, value, out)
        elif kept:
            out.append(encoder.encode_kept(head.path_fields, sensitive))
            if timeout:
                append_literal("grpc-timeout", timeout, out)
            out.append(encoder.encode_kept(fields, sensitive))
        else:
            first = (*head.path_fields, ("grpc-timeout", timeout)) if timeout else head.path_fields
            out.append(encoder.encode(first + fields, sensitive))
        if not call.request_id:
            call.request_id = request_id or new_request_id()
            append_literal("x-request-id", call.request_id, out)
        if before:
            append_literal(PREVIOUS_ATTEMPTS, before, out)
        if self.handed:
            append_literal(HANDED, self.handed, out)
        return b"".join(out)
