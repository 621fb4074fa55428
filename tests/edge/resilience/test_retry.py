"""The table of A6: which failures are tried again, and after what time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.call import Retries
from edge.model.resilience import DEFAULT_RETRY, NO_RETRY, REFUSED, RetryRule, attempts_before, pushback_seconds
from edge.model.status import Code
from edge.resilience.retry import backoff, may_retry, retry_after_seconds, wait_before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("15", 0.015),
        ("2147483647", 2147483.647),
        ("2147483648", REFUSED),
        ("-1", REFUSED),
        ("", REFUSED),
        ("1.5", REFUSED),
        ("soon", REFUSED),
        ("٣", REFUSED),
        (" 1", REFUSED),
        ("9" * 5000, REFUSED),
    ],
)
def test_a_pushback_that_is_no_number_means_no_further_attempt(text: str | None, seconds: float | None) -> None:
    assert pushback_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("1", 1.0), ("2", REFUSED), ("Wed, 21 Oct 2026 07:28:00 GMT", REFUSED), ("-1", REFUSED), ("0", 0.0)],
)
def test_who_wants_to_be_asked_much_later_is_not_asked_again(text: str, seconds: float | None) -> None:
    assert retry_after_seconds(text, 1.0) == seconds


@pytest.mark.parametrize("code", list(Code))
@pytest.mark.parametrize("retries", range(6))
def test_what_the_rule_allows(code: Code, retries: int) -> None:
    rule = RetryRule(max_attempts=4, codes=frozenset({Code.ABORTED, Code.UNAVAILABLE}))
    assert may_retry(rule, code, retries, timed_out=False) == (code in rule.codes and retries < 3)
    assert may_retry(rule, code, retries, timed_out=True) == (retries < 3)
    assert not may_retry(NO_RETRY, code, retries, timed_out=True)


def test_waits_grow_to_the_longest_one() -> None:
    rule = RetryRule(initial_backoff=0.1, max_backoff=0.5, backoff_multiplier=2.0)
    assert [round(backoff(rule, number, 0.5), 6) for number in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


@given(
    initial=st.floats(0.001, 60),
    longest=st.floats(0.001, 60),
    multiplier=st.floats(1, 100),
    number=st.integers(0, 2**31),
    chance=st.floats(0, 1),
)
def test_a_wait_is_within_a_fifth_of_what_was_asked_for(
    initial: float, longest: float, multiplier: float, number: int, chance: float
) -> None:
    longest = max(initial, longest)
    rule = RetryRule(initial_backoff=initial, max_backoff=longest, backoff_multiplier=multiplier)
    if multiplier == 1.0:
        number = min(number, 1000)  # it would only count
    wait = backoff(rule, min(number, 5000), chance)
    assert initial * 0.8 * 0.999 <= wait <= longest * 1.2 * 1.001


def test_own_waits_begin_anew_behind_a_pushback() -> None:
    rule = RetryRule(initial_backoff=0.1, backoff_multiplier=2.0, max_backoff=1.0)
    retries = Retries()
    assert wait_before(rule, retries, None, 0.5) == pytest.approx(0.1)
    assert wait_before(rule, retries, None, 0.5) == pytest.approx(0.2)
    assert wait_before(rule, retries, 0.7, 0.5) == 0.7
    assert wait_before(rule, retries, None, 0.5) == pytest.approx(0.1)
    assert wait_before(rule, retries, REFUSED, 0.5) is None


@pytest.mark.parametrize(
    ("own", "retries", "sent"),
    [([], 1, "1"), (["2"], 1, "3"), (["x"], 2, "2"), (["-1"], 2, "2"), (["9" * 300], 1, "1000000000")],
)
def test_attempts_of_the_caller_are_counted_too(own: list[str], retries: int, sent: str) -> None:
    metadata: list[tuple[str, str | bytes]] = [("x-a", b"b")]
    metadata += [("grpc-previous-rpc-attempts", value) for value in own]
    assert attempts_before(metadata, retries) == sent


def test_by_default_an_unavailable_endpoint_is_the_only_reason() -> None:
    assert DEFAULT_RETRY.codes == {Code.UNAVAILABLE}
    assert not DEFAULT_RETRY.any_method
