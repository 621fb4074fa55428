"""`RequestReader` beside llhttp, over whole connections: where one request ends and the next begins."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.listeners.http_reader import HEAD
from tests.edge.listeners.test_http_reader import CHUNKED, GET, POST, Recorder
from tests.support.http_mutations import CHANGES, Change, Llhttp, changed

SEEDS = [
    GET,
    POST + b"Content-Length: 5\r\n\r\nhello",
    POST + b"Content-Length: 30\r\n\r\n" + GET,
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"1e\r\n" + GET + b"\r\nA;b=c\r\n0123456789\r\n0\r\n\r\n",
    b"PUT /x HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
]


class WithoutTrailers(Recorder):
    """Refuses trailers: aiohttp takes them for headers of the next request."""

    def _trailer(self, line: bytes, end: int) -> int:
        del line, end
        return self._break()


Read = list[tuple[object, object, object, object, bytes]]


def taken(reader: Recorder) -> Read | None:
    """Return the requests that were read, or None when there was one that is refused, or not whole."""
    found: Read = []
    for event in reader.events:
        if event[0] == "request":
            _, verb, target, version, _, pairs = event
            found.append((verb, target, version, pairs, b""))
        elif event[0] == "body":
            assert isinstance(event[1], bytes)
            found[-1] = (*found[-1][:4], event[1])
        elif event[0] != "end":
            return None
    return found if reader.state == HEAD and not reader.waiting else None


@settings(max_examples=600)
@given(parts=st.lists(st.tuples(st.sampled_from(SEEDS), CHANGES), min_size=1, max_size=3))
def test_requests_end_where_llhttp_says(parts: list[tuple[bytes, list[Change]]]) -> None:
    """What is taken here and by whoever stands before or behind has to mean the same there."""
    data = b"".join(changed(seed, changes) for seed, changes in parts)
    reader = WithoutTrailers()
    reader.feed(data)
    found = taken(reader)
    if found is None:
        return
    other = Llhttp(data)
    # it stops behind `connection: close`, as a connection does, and looks at extensions, which go no further here
    if "Data after `Connection: close`" in other.refusal or "chunk extension" in other.refusal:
        return
    assert not other.refusal, data
    assert len(other.messages) == len(found), data
    for (verb, target, version, pairs, body), (message, theirs, their_body) in zip(found, other.messages, strict=True):
        assert (verb, version) == (message.method, f"{message.version.major}.{message.version.minor}")
        assert message.path.endswith(str(target))
        assert (pairs, body) == (theirs, their_body)
