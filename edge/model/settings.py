"""What is decided at the start of the process: sockets, limits, log. Durations are in seconds, sizes in bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class ListenerProtocol(enum.Enum):
    """What a listener takes."""

    AUTO = "auto"
    GRPC = "grpc"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """A socket callers connect to."""

    name: str
    """Its name in logs."""

    address: str
    """Host and port, or `unix:/path`. Port 0 takes a free one."""

    protocol: ListenerProtocol = ListenerProtocol.AUTO
    """What it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of every listener."""

    max_message_bytes: int = 4 * 1024 * 1024
    """The largest message in either direction."""

    max_metadata_bytes: int = 16 * 1024
    """The most metadata of a call in each direction: names, values and 32 for each."""

    max_concurrent_streams: int = 1024
    """The most calls at once on one connection."""

    max_concurrent_calls: int = 0
    """The most calls at once in one process. 0 means no limit."""

    max_connection_age: float | None = None
    """Seconds after which a caller's connection is asked to end. None means never."""

    max_connection_idle: float | None = None
    """Seconds without a call after which it is asked to end. None means never."""

    connection_grace: float = 30.0
    """Seconds calls have to finish on a connection that was asked to end."""

    stall_timeout: float = 60.0
    """Seconds an HTTP caller may neither read what is ready for it nor send what is waited for."""

    @property
    def message_ceiling(self) -> int:
        """The largest message a proxying engine takes in before the proxy checks it, in bytes.

        The proxy refuses what is over `max_message_bytes` itself, with the limit's name and details. An engine's own
        refusal has neither; its limit only bounds the memory of what is far over, so it is four times as high.
        """
        return min(self.max_message_bytes * 4, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What is decided at the start of the process."""

    listeners: tuple[ListenerSettings, ...] = (
        ListenerSettings(name="traffic", address="0.0.0.0:8080"),
        ListenerSettings(name="http", address="0.0.0.0:8081", protocol=ListenerProtocol.HTTP),
    )
    """The sockets callers connect to."""

    admin_address: str = "127.0.0.1:9090"
    """The socket of the gateway API. Empty means none."""

    admin_http_address: str = "127.0.0.1:9091"
    """The socket of the gateway API as REST. Empty means none."""

    drain_timeout: float = 30.0
    """Seconds calls have to finish when the gateway stops."""

    limits: Limits = field(default_factory=Limits)
    """The limits of every listener."""

    trusted_proxies: tuple[str, ...] = ()
    """The networks whose `x-forwarded-*` headers are believed."""

    compression_level: int = 0
    """How much work is put into compressing messages to callers that accept it, 1 to 3. 0 means none."""

    compression_min_bytes: int = 1024
    """The smallest message to callers that is compressed."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    log_format: str = ""
    """`json`, `console` or empty for console on a terminal and JSON elsewhere."""

    access_log: bool = False
    """Whether each finished call is logged."""
