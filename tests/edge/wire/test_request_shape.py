"""Requests that are read by what is known of others say the same as when they are read for themselves."""

from __future__ import annotations

import hpack
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Call
from edge.model.peers import Peers
from edge.wire.hpack_decoder import Decoder
from edge.wire.hpack_literals import literal
from edge.wire.request_head import RequestHead
from edge.wire.request_shape import MAX_SHAPES, Shapes
from edge.wire.translate import request_fields

SAID = (
    *("malformed", "fields", "binary", "coding", "content_type", "content_length", "hosts", "given_host", "timed"),
    *("timeout_text", "verb", "scheme", "authority", "path", "protocol", "grpc", "timeout", "host", "path_fields"),
    *("metadata", "accepted"),
)
"""What is read from a block."""

CALLER = Peers(()).get("ipv4:198.51.100.7:4711")

PSEUDO = st.tuples(
    st.sampled_from(((":method", "POST"), (":method", "GET"))),
    st.just((":scheme", "http")),
    st.builds(lambda path: (":path", path), st.sampled_from(("/a.B/CC", "/a.B/DD", "/a.B/E", "a.B/C", "/aa b", "/aü"))),
    st.sampled_from(((":authority", "shop"), (":authority", "Shop:8080"))),
)

KIND = st.sampled_from((("content-type", "application/grpc"), ("content-type", "text/plain")))

MORE = st.lists(
    st.tuples(
        st.sampled_from(
            ("traceparent", "x-a", "authorization", "grpc-timeout", "k-bin", "te", "x-request-id", "cookie", "x-own")
        ),
        st.sampled_from(("1", "2", "3S", "4S", "a b", " c", "ü", "x\ty", "trailers", "")),
    ),
    max_size=5,
)


class Caller:
    """A connection's two ends of HPACK."""

    def __init__(self) -> None:
        self.encoder = hpack.Encoder()
        self.decoder = Decoder()
        self.shapes = Shapes()

    def send(self, fields: list[tuple[str, str]]) -> RequestHead:
        # some values are indexed and some are not, as callers have it
        block = b"".join(
            [
                literal(name, value)
                if len(value) % 2
                else self.encoder.encode([(name.encode(), value.encode("latin-1"))])
                for name, value in fields
            ]
        )
        return self.shapes.read(self.decoder.decode(block), self.decoder)


def passed(head: RequestHead) -> tuple[tuple[str, str], ...]:
    """Return what the next hop gets, by the fields."""
    return request_fields(head, Call(head.path, head.metadata), CALLER, 10_000)


def onward(head: RequestHead) -> list[tuple[str, str]]:
    """Return what the next hop gets, by the shape if there is one."""
    if head.shape is None:
        return sorted(passed(head))
    return sorted([*head.shape.send(CALLER), *[head.received[at] for at in head.shape.handed_on]])


@given(st.lists(st.tuples(PSEUDO, KIND, MORE), min_size=2, max_size=12))
def test_heads_say_the_same_whether_their_shape_is_known_or_not(
    requests: list[tuple[tuple[tuple[str, str], ...], tuple[str, str], list[tuple[str, str]]]],
) -> None:
    caller = Caller()
    for pseudo, kind, more in [*requests, *requests]:
        fields = [*pseudo, kind, *more]
        known = caller.send(fields)
        alone = RequestHead(list(fields))
        assert [(name, getattr(known, name)) for name in SAID] == [(name, getattr(alone, name)) for name in SAID]
        if known.grpc and not known.malformed:
            assert onward(known) == onward(alone)
            # of a block that comes again, and of another attempt
            assert passed(known) == passed(alone)


def call(number: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the fields of a call with a path and a trace of its own."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/a.B/C{number}"),
        (":authority", "shop"),
        ("content-type", "application/grpc"),
        ("traceparent", f"00-{number}"),
        *more,
    ]


def test_calls_that_differ_in_values_have_one_shape() -> None:
    caller = Caller()
    heads = [caller.send(call(number)) for number in range(1, 4)]
    # the first comes with literals that are in the table from then on, the second is the first of its shape
    assert [head.shape is not None for head in heads] == [False, False, True]
    assert [head.path for head in heads] == ["/a.B/C1", "/a.B/C2", "/a.B/C3"]


def test_the_shapes_of_a_connection_are_bounded() -> None:
    caller = Caller()
    for number in range(5 * MAX_SHAPES):
        caller.send(call(number, *[(f"x-{number}-{index}", "v") for index in range(3)]))
        assert len(caller.shapes._shapes) <= MAX_SHAPES


def test_requests_with_many_or_large_fields_leave_no_shape() -> None:
    caller = Caller()
    caller.send(call(1, *[(f"x-{index}", "v") for index in range(40)]))
    caller.send(call(2, ("x-large", "v" * 3000)))
    assert not caller.shapes._shapes


def test_a_time_limit_of_each_call_is_read() -> None:
    caller = Caller()
    timeouts = []
    for number in range(3):
        # the authority is in the table from the first call on
        caller.decoder.decode(caller.encoder.encode([("traceparent", f"other-{number}")]))
        timeouts.append(caller.send(call(number, ("grpc-timeout", f"{number + 1}S"))).timeout)
    assert timeouts == [1.0, 2.0, 3.0]


def test_an_extended_connect_leaves_no_shape() -> None:
    caller = Caller()
    for number in range(3):
        fields = call(number)
        connect = [(":method", "CONNECT"), *fields[1:4], (":protocol", "websocket"), *fields[4:]]
        head = caller.send(connect)
        assert (head.verb, head.protocol) == ("CONNECT", "websocket")
    assert not caller.shapes._shapes
