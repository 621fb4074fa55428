"""The protobuf descriptors of an upstream, as far as the core needs them: which methods there are, and their shape."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2


class Shape(enum.Enum):
    """Which sides of a method stream."""

    UNARY = "unary"
    CLIENT_STREAM = "client stream"
    SERVER_STREAM = "server stream"
    BIDI_STREAM = "bidi stream"


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service."""

    path: str
    """The path on the wire, `/package.Service/Method`."""

    shape: Shape
    """Which sides stream."""

    input_type: str
    """The full name of the request message, without leading dot."""

    output_type: str
    """The full name of the response message, without leading dot."""

    idempotent: bool = False
    """Whether `idempotency_level` is NO_SIDE_EFFECTS or IDEMPOTENT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """A set of files with everything they import, as far as it was to be had."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """The serialized `FileDescriptorProto`s by file name."""

    services: Mapping[str, tuple[Method, ...]] = field(default_factory=dict)
    """The methods of each service, by full service name."""

    methods: Mapping[str, Method] = field(default_factory=dict)
    """The methods by path on the wire."""

    hash: str = ""
    """The SHA-256 of the files in hexadecimal, whatever their order. Empty for no files."""

    @classmethod
    def of(cls, files: Iterable[bytes], *, offered: Iterable[str] | None = None) -> SchemaSet:
        """Index serialized `FileDescriptorProto`s.

        Args:
            files: The files. Of two with one name the first one counts.
            offered: The full names of the services that are served, or None for all that the files define.

        Raises:
            google.protobuf.message.DecodeError: a file is not a FileDescriptorProto.
        """
        by_name: dict[str, bytes] = {}
        services: dict[str, tuple[Method, ...]] = {}
        only = None if offered is None else frozenset(offered)
        for data in files:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            if file.name in by_name:
                continue
            by_name[file.name] = data
            prefix = f"{file.package}." if file.package else ""
            for service in file.service:
                name = prefix + service.name
                if only is None or name in only:
                    services[name] = tuple(_method(name, method) for method in service.method)
        digest = hashlib.sha256()
        for name in sorted(by_name):
            digest.update(len(by_name[name]).to_bytes(8, "big") + by_name[name])
        return cls(
            files=by_name,
            services=services,
            methods={method.path: method for methods in services.values() for method in methods},
            hash=digest.hexdigest() if by_name else "",
        )


def _method(service: str, method: descriptor_pb2.MethodDescriptorProto) -> Method:
    shape = {
        (False, False): Shape.UNARY,
        (True, False): Shape.CLIENT_STREAM,
        (False, True): Shape.SERVER_STREAM,
        (True, True): Shape.BIDI_STREAM,
    }[method.client_streaming, method.server_streaming]
    return Method(
        path=f"/{service}/{method.name}",
        shape=shape,
        input_type=method.input_type.removeprefix("."),
        output_type=method.output_type.removeprefix("."),
        idempotent=method.options.idempotency_level != descriptor_pb2.MethodOptions.IDEMPOTENCY_UNKNOWN,
    )


EMPTY_SCHEMA = SchemaSet()
"""What is known before anything was learnt."""
