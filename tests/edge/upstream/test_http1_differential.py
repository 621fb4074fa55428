"""`AnswerParser` beside llhttp: what both take, both read in the same way."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.upstream.http1 import AnswerParser, BrokenAnswerError
from tests.support.http_mutations import CHANGES, Change, Llhttp, changed

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SEEDS = [
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"2;a=b\r\nhi\r\nA\r\n0123456789\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nX: a\r\n\r\n",
    b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 304 NM\r\nETag: x\r\n\r\n",
    b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno",
]


@settings(max_examples=600)
@given(seed=st.sampled_from(SEEDS), changes=CHANGES)
def test_answers_are_read_as_llhttp_reads_them(seed: bytes, changes: list[Change]) -> None:
    data = changed(seed, changes)
    parser = AnswerParser("GET")
    try:
        body = b"".join(parser.feed(data))
    except BrokenAnswerError:
        return
    head = parser.head
    if head is None or not parser.done:
        return
    other = Llhttp(data, answers=True)
    final = [one for one in other.messages if one[0].code >= 200]
    if other.refusal or not final:
        return  # answers of old servers are taken that llhttp refuses; none of them may be read in two ways
    message, pairs, their_body = final[0]
    assert (head.status, body) == (message.code, their_body), data
    # a fold is one space here (RFC 9112 section 5.2)
    assert [(name, value.split()) for name, value in head.headers] == [(name, value.split()) for name, value in pairs]
    if parser.reusable:
        assert len(final) == 1, data
