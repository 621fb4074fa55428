"""How the gRPC methods of a route are offered to callers that speak HTTP. Durations are in seconds, sizes in bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from google.api import http_pb2

from edge.model.call import Protocol


class Strictness(enum.Enum):
    """How input that does not fit the message is taken."""

    STRICT = "strict"
    WARN = "warn"
    LENIENT = "lenient"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonOptions:
    """How messages are written as JSON."""

    proto_field_names: bool = False
    """Whether fields keep the names of the proto file instead of lowerCamelCase."""

    print_defaults: bool = False
    """Whether fields without a value are written with their default."""

    enums_as_numbers: bool = False
    """Whether enums are written as numbers."""

    strip_enum_prefix: bool = False
    """Whether the prefix that repeats the enum's name is left out of its values, in both directions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcoding:
    """How the methods of a route are offered."""

    rules: tuple[bytes, ...] = ()
    """Serialized `google.api.HttpRule`s: rules for methods without annotations, or in place of theirs."""

    rpc_paths: bool = False
    """Whether each method also answers `POST /package.Service/Method` with JSON as a REST method."""

    strictness: Strictness = Strictness.STRICT
    """How input that does not fit the message is taken."""

    json: JsonOptions = field(default_factory=JsonOptions)
    """How messages are written as JSON."""

    heartbeat_interval: float = 15.0
    """Seconds without a message after which a comment keeps an event stream open."""

    web_socket_idle_timeout: float = 300.0
    """Seconds without a frame after which a WebSocket is closed."""

    web_socket_ping_interval: float = 20.0
    """Seconds between two pings."""

    web_socket_max_message_bytes: int = 0
    """The largest message of a WebSocket. 0 means the limit of the route."""

    disabled: frozenset[Protocol] = frozenset()
    """The protocols that are not served."""

    openapi: bool = False
    """Whether `GET /openapi.json` describes the route on the traffic port."""

    ignored_query_parameters: frozenset[str] = frozenset()
    """Query parameters that are none of the services'."""

    update_mask: bool = True
    """Whether a PATCH that brings no `update_mask` gets the paths that its JSON body mentions."""

    def http_rules(self) -> list[http_pb2.HttpRule]:
        """Return the rules, parsed."""
        return [http_pb2.HttpRule.FromString(rule) for rule in self.rules]
