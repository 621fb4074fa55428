from __future__ import annotations

import pytest

from edge.listeners import http_head
from edge.listeners.http_head import encode_head


def test_heads_that_come_again_are_kept_within_bounds_and_credentials_never() -> None:
    for number in range(1000):
        encode_head(200, (("x-number", str(number)),), "")
    for header in (("set-cookie", "secret-in-memory"), ("x-auth-token", "secret-in-memory"), ("x-long", "a" * 5000)):
        for _ in range(2):
            assert f"{header[0]}: {header[1]}\r\n".encode() in encode_head(200, (header,), "")
    kept = http_head._KEPT
    assert 0 < len(kept) <= 256
    assert not [text for text, _ in kept.values() if "secret" in text or len(text) > 1000]


def test_a_head_that_was_kept_is_that_of_its_status_and_headers_alone() -> None:
    same = (("a", "b"),)
    heads = {encode_head(status, headers, "") for _ in range(2) for status in (200, 404) for headers in (same, ())}
    assert len({head.split(b"\r\ndate")[0] for head in heads}) == 4


@pytest.mark.parametrize("header", [("a", "b\r\nc: d"), ("a\r\nc", "d"), ("a", "\n"), ("a", "\r"), ("a", "\0")])
def test_a_header_that_holds_a_line_is_refused_every_time(header: tuple[str, str]) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="line break"):
            encode_head(200, (header,), "")
