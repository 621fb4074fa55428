"""The protobuf descriptors of an upstream, as far as the core needs them: which methods there are, and their shape."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from google.protobuf import descriptor_pb2, descriptor_pool

from edge.model.linking import Linked, link_shared


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

    side_effect_free: bool = False
    """Whether `idempotency_level` is NO_SIDE_EFFECTS, so that a GET may call it."""


class SchemaError(Exception):
    """The files of a schema do not fit together; the text names them and says why."""


@dataclass(frozen=True, kw_only=True)
class SchemaSet:
    """A set of files with everything they import, as far as it was to be had.

    Nothing but what is cached of it changes after it was made. `linked` and what follows from it are built when they
    are first asked for: whoever puts a schema in force asks before, off the path of calls.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    """The serialized `FileDescriptorProto`s by file name."""

    services: Mapping[str, tuple[Method, ...]] = field(default_factory=dict)
    """The methods of each service, by full service name."""

    methods: Mapping[str, Method] = field(default_factory=dict)
    """The methods by path on the wire."""

    hash: str = ""
    """The SHA-256 in hexadecimal of the files, whatever their order, and of which services are served. Empty for
    nothing."""

    lacking: Mapping[str, str] = field(default_factory=dict)
    """Why nothing is known of services that are said to be served, by full service name."""

    @classmethod
    def of(
        cls,
        files: Iterable[bytes],
        *,
        offered: Iterable[str] | None = None,
        lacking: Mapping[str, str] | None = None,
    ) -> SchemaSet:
        """Index serialized `FileDescriptorProto`s.

        Args:
            files: The files. Of two with one name the first one counts.
            offered: The full names of the services that are served, or None for all that the files define.
            lacking: Why nothing is known of services that are said to be served, by full service name.

        Raises:
            google.protobuf.message.DecodeError: a file is not a FileDescriptorProto.
        """
        by_name: dict[str, bytes] = {}
        services: dict[str, tuple[Method, ...]] = {}
        others: set[str] = set()
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
                else:
                    others.add(name)
        digest = hashlib.sha256()
        for name in sorted(by_name):
            digest.update(len(by_name[name]).to_bytes(8, "big") + by_name[name])
        # a server that begins to serve what its files had before is another one; who serves all is as a set of files
        for name in sorted(others):
            digest.update(b"\0" + name.encode())
        unknown = {name: why for name, why in (lacking or {}).items() if name not in services}
        for name in sorted(unknown):
            digest.update(b"\1" + name.encode())
        return cls(
            files=by_name,
            services=services,
            methods={method.path: method for methods in services.values() for method in methods},
            hash=digest.hexdigest() if by_name or unknown else "",
            lacking=unknown,
        )

    @cached_property
    def linked(self) -> Linked:
        """The files, linked as far as they fit together; one object for all sets with the same hash."""
        return link_shared(self.hash, self.files)

    @cached_property
    def broken(self) -> Mapping[str, str]:
        """Why a service that is served cannot be used with messages, by full service name.

        Its descriptors are not known, or they are not in the pool. Its calls go through as bytes all the same.
        """
        found = dict(self.lacking)
        if self.linked.broken:
            for service, file in self._homes().items():
                if file in self.linked.broken:
                    found[service] = f"{file} does not link: {self.linked.broken[file]}"
        return found

    def pool(self) -> descriptor_pool.DescriptorPool:
        """Return the descriptors, in a pool that is shared by all sets with the same hash.

        Services in `broken` are not in it; the others do not suffer from them.

        Raises:
            SchemaError: there are files, but none of them links.
        """
        broken = self.linked.broken
        if self.files and broken.keys() >= self.files.keys():
            name, reason = min(broken.items())
            rest = f" and {len(broken) - 1} more files do not either" if len(broken) > 1 else ""
            raise SchemaError(f"{name} does not link: {reason}{rest}")
        return self.linked.pool

    def _homes(self) -> dict[str, str]:
        """Return the file that defines each service that is served."""
        homes = {}
        for data in self.files.values():
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            prefix = f"{file.package}." if file.package else ""
            homes.update({prefix + service.name: file.name for service in file.service})
        return {service: homes[service] for service in self.services}


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
        side_effect_free=method.options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
    )


EMPTY_SCHEMA = SchemaSet()
"""What is known before anything was learnt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """The endpoints of an upstream that have the same descriptors, beside others that have not."""

    hash: str
    """The hash of the descriptors. Empty when they are not known."""

    endpoints: tuple[str, ...]
    """The addresses."""

    in_force: bool = False
    """Whether calls are understood by these descriptors."""

    differences: tuple[str, ...] = ()
    """How they differ from those in force, in words that follow the address, such as `lacks shop.v1.Shop.Buy`."""

    harmful: bool = False
    """Whether calls that the descriptors in force allow may fail there."""

    def words(self, most: int = 3) -> str:
        """Return who differs how, such as `10.0.0.2:50051 lacks shop.v1.Shop.Buy`.

        Args:
            most: The most endpoints and the most differences that are told one by one.
        """
        return " ".join(
            ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")
            for parts in (self.endpoints, self.differences)
        ).strip()
