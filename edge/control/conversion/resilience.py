"""Circuit breaker, outlier detection and concurrency limits of an upstream: proto → model."""

from __future__ import annotations

from edge.control.conversion import checks
from edge.control.conversion.scope import Scope
from edge.model.resilience import CircuitBreaker, ConcurrencyLimits, OutlierDetection
from gateway.v1 import upstream_pb2

_DAY = 86400.0
_SHORTEST_WINDOW = 0.1


def convert_breaker(upstream: upstream_pb2.Upstream, scope: Scope) -> CircuitBreaker | None:
    """Return the circuit breaker, or None when there is none. `scope` is that of the upstream."""
    if not upstream.HasField("circuit_breaker"):
        return None
    breaker = upstream.circuit_breaker
    scope = scope.field("circuit_breaker")
    if not breaker.failure_threshold and not breaker.failure_percent:
        scope.refuse(
            "never opens; set `failure_threshold` (failures in a row) or `failure_percent` (a share of the calls)"
        )
    if breaker.minimum_calls and not breaker.failure_percent:
        scope.field("minimum_calls").refuse("needs `failure_percent`, for which it is")
    default = CircuitBreaker()
    return CircuitBreaker(
        failure_threshold=breaker.failure_threshold,
        failure_ratio=_share(breaker.failure_percent, scope.field("failure_percent")),
        window=checks.seconds(breaker.window, scope.field("window"), least=_SHORTEST_WINDOW, most=_DAY)
        if breaker.HasField("window")
        else default.window,
        minimum_calls=breaker.minimum_calls or default.minimum_calls,
        open_duration=checks.seconds(breaker.open_duration, scope.field("open_duration"), most=_DAY)
        if breaker.HasField("open_duration")
        else default.open_duration,
        half_open_calls=breaker.half_open_calls or default.half_open_calls,
        success_threshold=breaker.success_threshold or default.success_threshold,
        per_endpoint=breaker.per_endpoint,
    )


def convert_outliers(upstream: upstream_pb2.Upstream, scope: Scope) -> OutlierDetection | None:
    """Return when endpoints are set aside, or None for never. `scope` is that of the upstream."""
    if not upstream.HasField("outlier_detection"):
        return None
    detection = upstream.outlier_detection
    scope = scope.field("outlier_detection")
    if not detection.consecutive_failures and not detection.failure_percent and not detection.latency_factor:
        scope.refuse("sets nothing aside; set `consecutive_failures`, `failure_percent` or `latency_factor`")
    if detection.latency_factor and not 1.0 < detection.latency_factor <= 1000.0:
        scope.field("latency_factor").refuse(
            "has to be more than 1, as in 3 for three times the median, and at most 1000"
        )
    default = OutlierDetection()
    return OutlierDetection(
        consecutive_failures=detection.consecutive_failures,
        failure_ratio=_share(detection.failure_percent, scope.field("failure_percent")),
        latency_factor=detection.latency_factor,
        interval=checks.seconds(detection.interval, scope.field("interval"), least=_SHORTEST_WINDOW, most=_DAY)
        if detection.HasField("interval")
        else default.interval,
        base_ejection=checks.seconds(detection.base_ejection_duration, scope.field("base_ejection_duration"), most=_DAY)
        if detection.HasField("base_ejection_duration")
        else default.base_ejection,
        max_ejection=_share(detection.max_ejection_percent, scope.field("max_ejection_percent"))
        or default.max_ejection,
    )


def convert_limits(upstream: upstream_pb2.Upstream, scope: Scope) -> ConcurrencyLimits:
    """Return how much is sent to an upstream at once. `scope` is that of the upstream."""
    limits = upstream.limits
    if limits.max_pending_calls and not limits.max_calls:
        scope.field("limits").field("max_pending_calls").refuse("needs `max_calls`, without which no call waits")
    return ConcurrencyLimits(
        max_calls=limits.max_calls,
        max_pending_calls=limits.max_pending_calls,
        max_calls_per_endpoint=limits.max_calls_per_endpoint,
    )


def _share(percent: int, scope: Scope) -> float:
    if percent > 100:
        scope.refuse("is a share in percent, at most 100")
    return percent / 100
