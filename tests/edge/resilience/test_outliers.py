"""Which endpoints are set aside, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.model.resilience import OutlierDetection
from edge.resilience.outliers import Outliers


def outliers(names: str, settings: OutlierDetection) -> Outliers[str]:
    made: Outliers[str] = Outliers(settings)
    made.members(names)
    return made


def calls(known: Outliers[str], key: str, *failed: bool, latency: float = 0.01, now: float = 100.0) -> str:
    """Let calls to an endpoint end; return the reason if it is set aside."""
    for one in failed:
        verdict = known.settle(key, failed=one, latency=latency, now=now)
        if verdict is not None:
            return verdict.reason
    return ""


def test_failures_in_a_row_set_it_aside_and_time_brings_it_back() -> None:
    known = outliers("abc", OutlierDetection(consecutive_failures=3, base_ejection=30.0))
    assert calls(known, "a", True, True, False, True, True) == ""
    assert calls(known, "a", True) == "3 calls in a row failed; set aside for 30 s"
    assert known.next_return == 130.0
    assert known.returning(129.9) == []
    assert [one.key for one in known.returning(130.0)] == ["a"]
    assert known.next_return is None


def test_each_time_in_a_row_it_is_longer_and_good_intervals_forgive() -> None:
    known = outliers("abc", OutlierDetection(consecutive_failures=1, base_ejection=10.0, interval=10.0))
    assert calls(known, "a", True).endswith("for 10 s")
    known.returning(110.0)
    assert calls(known, "a", True, now=110.0).endswith("for 20 s")
    known.returning(130.0)
    known.sweep(130.0)
    known.sweep(140.0)
    assert calls(known, "a", True, now=140.0).endswith("for 10 s")


def test_a_share_of_failures_is_noticed_once_in_an_interval() -> None:
    known = outliers("abcd", OutlierDetection(failure_ratio=0.5))
    calls(known, "a", True, False, True, False, True)
    calls(known, "b", True, False, False, False, False)
    calls(known, "c", True, True, True, True)  # too few to say anything
    assert [(one.key, one.reason) for one in known.sweep(110.0)] == [
        ("a", "3 of 5 calls failed within 10 s; set aside for 30 s")
    ]
    assert known.sweep(120.0) == [], "what was counted is forgotten"


def test_a_slow_endpoint_is_compared_with_the_median() -> None:
    known = outliers("abcd", OutlierDetection(latency_factor=3.0))
    for key, latency in zip("abcd", (0.010, 0.012, 0.011, 0.2), strict=True):
        calls(known, key, *[False] * 5, latency=latency)
    assert [one.key for one in known.sweep(110.0)] == ["d"]


def test_of_two_endpoints_none_is_the_slow_one() -> None:
    known = outliers("ab", OutlierDetection(latency_factor=3.0))
    for key, latency in (("a", 0.01), ("b", 5.0)):
        calls(known, key, *[False] * 5, latency=latency)
    assert known.sweep(110.0) == []


def test_the_last_endpoint_is_never_set_aside() -> None:
    known = outliers("a", OutlierDetection(consecutive_failures=1, max_ejection=1.0))
    assert calls(known, "a", True, True, True) == ""


def test_members_that_go_and_come_begin_anew() -> None:
    known = outliers("abc", OutlierDetection(consecutive_failures=2))
    calls(known, "a", True)
    known.members("bc")
    assert known.settle("a", failed=True, latency=0.0, now=100.0) is None
    known.members("abc")
    assert calls(known, "a", True) == ""


@given(
    st.integers(1, 12),
    st.sampled_from([0.1, 0.34, 0.5, 1.0]),
    st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.floats(0.0, 5.0)), max_size=120),
)
def test_no_more_are_aside_than_may_be_and_all_come_back(
    count: int, share: float, steps: list[tuple[int, bool, float]]
) -> None:
    known: Outliers[int] = Outliers(
        OutlierDetection(consecutive_failures=2, failure_ratio=0.5, max_ejection=share, base_ejection=7.0)
    )
    known.members(range(count))
    now = 0.0
    aside: set[int] = set()
    for key, failed, pause in steps:
        now += pause
        aside -= {one.key for one in known.returning(now)}
        verdict = known.settle(key % count, failed=failed, latency=0.01, now=now)
        aside |= {verdict.key} if verdict is not None else set()
        if pause > 4.0:
            aside |= {one.key for one in known.sweep(now)}
        assert len(aside) <= max(1, int(share * count))
        assert len(aside) < count or not aside
    back = {one.key for one in known.returning(now + 1000.0)}
    assert back == aside
    assert known.next_return is None


def test_a_share_of_the_endpoints_is_meant_exactly() -> None:
    known: Outliers[int] = Outliers(OutlierDetection(consecutive_failures=1, max_ejection=29 / 100))
    known.members(range(100))
    aside = [key for key in range(100) if known.settle(key, failed=True, latency=0.0, now=1.0) is not None]
    assert len(aside) == 29, "0.29 times 100 is a little less than 29 to a computer"


def test_who_is_forgotten_or_comes_back_makes_room_for_another() -> None:
    known = outliers("abc", OutlierDetection(consecutive_failures=1, base_ejection=10.0))
    assert calls(known, "a", True)
    assert calls(known, "b", True) == "", "one of three is aside"
    known.members("bcd")
    assert calls(known, "b", True)
    known.returning(110.0)
    assert calls(known, "c", True, now=110.0)
