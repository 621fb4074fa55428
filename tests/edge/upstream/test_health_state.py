"""When an endpoint is probed and what follows, without sockets or clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.resilience import HealthCheck
from edge.upstream.health_state import MOST_PROBES, Act, HealthState

CHECK = HealthCheck(interval=10.0, timeout=2.0, unhealthy_threshold=2, healthy_threshold=3)
MIDDLE = 0.5
"""The chance that leaves intervals as they are."""


def healthy(check: HealthCheck = CHECK) -> HealthState:
    state = HealthState(check, 0.0)
    assert state.act(0.0) is Act.PROBE
    assert state.passed(0.1, MIDDLE)
    return state


def test_the_first_check_is_due_at_once_and_its_first_answer_decides() -> None:
    state = HealthState(CHECK, 5.0)
    assert (state.healthy, state.reason, state.due) == (None, "has not been checked yet", 5.0)
    assert state.act(5.0) is Act.PROBE
    assert state.passed(5.1, MIDDLE)
    assert (state.healthy, state.reason) == (True, "")
    assert state.due == pytest.approx(15.1)

    other = HealthState(CHECK, 5.0)
    assert other.act(5.0) is Act.PROBE
    assert other.failed("is broken", 5.1, MIDDLE)
    assert (other.healthy, other.reason) == (False, "is broken")


def test_a_failure_is_followed_up_sooner_than_the_interval_and_as_many_as_the_threshold_take_it_out() -> None:
    state = healthy()
    assert state.act(10.1) is Act.PROBE
    assert not state.failed("answers with 500", 10.2, MIDDLE)
    assert (state.healthy, state.latest) == (True, "answers with 500")
    assert state.due == pytest.approx(12.2)
    assert state.act(12.2) is Act.PROBE
    assert state.failed("answers with 500", 12.3, MIDDLE)
    assert (state.healthy, state.reason) == (False, "answers with 500")
    assert state.due == pytest.approx(22.3)


def test_failures_have_to_be_in_a_row() -> None:
    state = healthy()
    for turn in range(5):
        now = 100.0 * (turn + 1)
        state.act(now)
        assert not state.failed("x", now, MIDDLE)
        state.act(now + 50)
        assert not state.passed(now + 50, MIDDLE)
    assert state.healthy is True


def test_coming_back_takes_as_many_successes_as_the_threshold() -> None:
    state = healthy()
    assert state.told("says NOT_SERVING", 1.0, MIDDLE)
    for now in (20.0, 30.0):
        assert state.act(now) is Act.PROBE
        assert not state.passed(now, MIDDLE)
        assert (state.healthy, state.reason) == (False, "says NOT_SERVING")
    assert state.act(40.0) is Act.PROBE
    assert state.passed(40.0, MIDDLE)
    assert (state.healthy, state.reason) == (True, "")


def test_a_silent_endpoint_is_asked_again_within_the_timeout_and_out_at_its_end() -> None:
    state = healthy()
    assert state.act(10.1) is Act.PROBE
    assert state.due == pytest.approx(11.1)
    assert state.act(11.0) is Act.WAIT
    assert state.act(11.1) is Act.AGAIN
    assert state.due == pytest.approx(12.1)
    assert state.act(12.1) is Act.GIVE_UP
    assert state.silent(12.1, MIDDLE)
    assert (state.healthy, state.reason) == (False, "does not answer health checks within 2 s")
    # once it is out one probe is enough
    assert state.act(22.1) is Act.PROBE
    assert state.due == pytest.approx(24.1)


def test_an_answer_to_any_of_the_probes_counts() -> None:
    state = healthy()
    assert [state.act(10.1), state.act(11.1)] == [Act.PROBE, Act.AGAIN]
    assert not state.passed(11.9, MIDDLE)
    assert not state.checking
    assert state.healthy is True


def test_something_that_happened_makes_the_next_check_due() -> None:
    state = healthy()
    state.soon(3.0)
    assert state.act(3.0) is Act.PROBE
    state.soon(3.5)
    assert state.due == pytest.approx(4.0), "the one under way goes on"


@given(
    interval=st.floats(0.1, 1000),
    share=st.floats(0.01, 1.0),
    bad=st.integers(1, 100),
    good=st.integers(1, 100),
    turns=st.lists(st.tuples(st.sampled_from(["pass", "fail", "mute"]), st.floats(0, 1)), max_size=40),
)
def test_whatever_answers_come(
    interval: float, share: float, bad: int, good: int, turns: list[tuple[str, float]]
) -> None:
    """Jitter stays within a tenth, checks end within the timeout, and no verdict changes before its threshold."""
    check = HealthCheck(interval=interval, timeout=interval * share, unhealthy_threshold=bad, healthy_threshold=good)
    state = HealthState(check, 0.0)
    now, passes, fails = 0.0, 0, 0
    for turn, chance in turns:
        before = state.healthy
        now = state.due
        assert state.act(now) is Act.PROBE
        began = now
        if turn == "mute":
            probes = 1
            while (act := state.act(state.due)) is Act.AGAIN:
                probes += 1
            assert act is Act.GIVE_UP
            now = state.due
            assert now == pytest.approx(began + check.timeout)
            assert probes <= min(MOST_PROBES, bad)
            state.silent(now, chance)
        elif turn == "fail":
            state.failed("x", now, chance)
        else:
            state.passed(now, chance)
        passes = passes + 1 if turn == "pass" else 0
        fails = 0 if turn == "pass" else fails + (bad if turn == "mute" else 1)
        if before is True:
            assert state.healthy is (fails < bad)
        elif before is False:
            assert state.healthy is (passes >= good)
        else:
            assert state.healthy is (turn == "pass")
        pause = state.due - now
        assert min(check.timeout, interval) * 0.899 <= pause <= interval * 1.101
        assert bool(state.reason) is (state.healthy is False)
