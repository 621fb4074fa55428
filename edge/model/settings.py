"""What is decided at the start of the process: sockets, limits, log. Durations are in seconds, sizes in bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Engine(enum.Enum):
    """What carries calls."""

    WIRE = "wire"
    GRPC_AIO = "grpc.aio"


class ListenerProtocol(enum.Enum):
    """What a listener takes."""

    AUTO = "auto"
    GRPC = "grpc"
    HTTP = "http"


class ClientCertificate(enum.Enum):
    """Whether callers have to show a certificate."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate chain and its key, as PEM files. They are read again when they change."""

    cert_file: str
    """The file of the chain."""

    key_file: str
    """The file of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    """TLS for callers."""

    certificates: tuple[Certificate, ...]
    """The certificates. The first one serves callers that ask for no known name."""

    client_ca_file: str = ""
    """The PEM file of the authorities that callers' certificates come from."""

    client_certificate: ClientCertificate = ClientCertificate.NONE
    """Whether callers have to show one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """A socket callers connect to."""

    name: str
    """Its name in logs."""

    address: str
    """Host and port, or `unix:/path`. Port 0 takes a free one."""

    protocol: ListenerProtocol = ListenerProtocol.AUTO
    """What it takes."""

    tls: ListenerTls | None = None
    """TLS for callers. None means clear text."""

    proxy_protocol_from: tuple[str, ...] = ()
    """The networks that have to send a PROXY protocol header."""


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

    max_connections: int = 0
    """The most connections of one listener. 0 means no limit."""

    max_connections_per_peer: int = 0
    """The most connections of one peer address to one listener. 0 means no limit."""

    max_headers: int = 128
    """The most headers of a request or an answer."""

    stream_buffer_bytes: int = 256 * 1024
    """The most bytes of a stream, per direction, that wait for whoever does not read."""

    connection_buffer_bytes: int = 16 * 1024 * 1024
    """The most bytes that wait on one connection, all its streams together; 16 times that on those to endpoints."""

    handshake_timeout: float = 10.0
    """Seconds a new connection has for the PROXY header, the TLS handshake and its first request."""

    max_premature_resets: int = 500
    """Streams a caller may reset before it was answered while those are half or more of all (CVE-2023-44487)."""

    max_control_frames: int = 1000
    """Control frames and empty DATA of one connection in a second, beyond two for each request and four for each DATA
    or answer sent."""

    @property
    def message_ceiling(self) -> int:
        """The largest message a proxying engine takes in before the proxy checks it, in bytes.

        The proxy refuses what is over `max_message_bytes` itself, with the limit's name and details. An engine's own
        refusal has neither; its limit only bounds the memory of what is far over, so it is four times as high.
        """
        return min(self.max_message_bytes * 4, 2**31 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsulRegistration:
    """Where and as what the gateway registers itself with Consul. Durations are in seconds."""

    service: str
    """The name of the service."""

    address: str = "http://127.0.0.1:8500"
    """The URL of the agent."""

    tags: tuple[str, ...] = ()
    """The tags of the instance."""

    meta: tuple[tuple[str, str], ...] = ()
    """The metadata of the instance."""

    advertise_host: str = ""
    """The host others reach the gateway at. Empty means the address of the agent."""

    listener: str = ""
    """The listener whose port is registered. Empty means the first one."""

    ttl: float = 15.0
    """The time after which the instance is critical unless the gateway renews it."""

    deregister_after: float = 600.0
    """The time an instance may be critical before Consul forgets it."""

    token_file: str = ""
    """The file that holds the ACL token. Empty means none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What is decided at the start of the process."""

    listeners: tuple[ListenerSettings, ...] = (ListenerSettings(name="traffic", address="0.0.0.0:8080"),)
    """The sockets callers connect to."""

    admin_address: str = "127.0.0.1:9090"
    """The socket of the gateway API. Empty means none."""

    admin_http_address: str = ""
    """A socket of the gateway API as REST alone. Empty means none."""

    admin_tls: ListenerTls | None = None
    """TLS for the gateway API. None means clear text."""

    engine: Engine = Engine.WIRE
    """What carries the calls."""

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

    registration: ConsulRegistration | None = None
    """Where the gateway registers itself. None means nowhere."""

    access_log: bool = False
    """Whether each finished call is logged."""
