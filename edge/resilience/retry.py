"""Whether a failed call is tried again, and when (gRPC proposal A6). Pure: the time and the chance are arguments."""

from __future__ import annotations

from typing import Final

from edge.model.call import Call, Protocol, Retries
from edge.model.resilience import REFUSED, RetryRule
from edge.model.status import Code

MAX_REPLAYS: Final = 3
"""How often a request is sent elsewhere that provably never left, besides what the rule of the route allows."""

SLACK: Final = 0.2
"""The part by which a wait is longer or shorter by chance, so that calls that failed together do not come together."""

_IDEMPOTENT_VERBS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""


def retry_after_seconds(text: str, most: float) -> float | None:
    """Return what `retry-after` of an HTTP answer asks for, in seconds, as a pushback.

    Args:
        text: Its value. Empty when there is none.
        most: The longest wait that the rule allows: whoever wants a longer one, or names a date, gets no attempt.
    """
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > most:
        return REFUSED
    return float(text)


def backoff(rule: RetryRule, number: int, chance: float) -> float:
    """Return the seconds to wait before an attempt.

    Args:
        rule: The rule.
        number: How many waits of this kind there were before.
        chance: A random number of 0 to 1.
    """
    wait = rule.initial_backoff
    for _ in range(number):
        wait *= rule.backoff_multiplier
        if wait >= rule.max_backoff:
            break
    return min(wait, rule.max_backoff) * (1.0 - SLACK + 2.0 * SLACK * chance)


def may_retry(rule: RetryRule, code: Code, retries: int, *, timed_out: bool) -> bool:
    """Whether the rule allows another attempt, the method and the budget apart.

    Args:
        rule: The rule.
        code: How the attempt ended.
        retries: How many attempts there were besides the first one.
        timed_out: Whether it took longer than an attempt may.
    """
    return retries + 1 < rule.max_attempts and (timed_out or code in rule.codes)


def wait_before(rule: RetryRule, retries: Retries, pushback: float | None, chance: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when the server wants none.

    What a server asks for is done exactly, and the own waits begin anew behind it (A6, "Pushback").

    Args:
        rule: The rule.
        retries: What the call remembers; it is changed.
        pushback: What `edge.model.resilience.pushback_seconds` returned.
        chance: A random number of 0 to 1.
    """
    if pushback is None:
        wait = backoff(rule, retries.backoffs, chance)
        retries.backoffs += 1
        return wait
    if pushback < 0.0:
        return None
    retries.backoffs = 0
    return pushback


def is_idempotent(call: Call) -> bool:
    """Whether doing a call twice does no more than doing it once.

    The schema of the upstream says so (`idempotency_level`), or the verb of an HTTP caller (RFC 9110 section 9.2.2).
    """
    if call.protocol in (Protocol.REST, Protocol.HTTP) and call.verb in _IDEMPOTENT_VERBS:
        return True
    if call.upstream is None:
        return False
    method = call.upstream.cluster.schema.methods.get(call.method)
    return method is not None and method.idempotent
