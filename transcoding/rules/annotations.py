"""Reads the `google.api.http` rules that methods are annotated with."""

from __future__ import annotations

from collections.abc import Iterable

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from transcoding.rules.binding import Problem


def http_rules(
    files: Iterable[descriptor_pb2.FileDescriptorProto],
) -> tuple[dict[str, http_pb2.HttpRule], list[Problem]]:
    """Return the rules by the full name of the method, `package.Service.Method`, and what could not be read.

    Args:
        files: The files, from whatever pool: the options are parsed anew, because a parser that did not know
            `google/api/annotations.proto` has left the rules among the unknown fields.
    """
    rules: dict[str, http_pb2.HttpRule] = {}
    problems: list[Problem] = []
    for file in files:
        prefix = f"{file.package}." if file.package else ""
        for service in file.service:
            for method in service.method:
                if not method.HasField("options"):
                    continue
                name = f"{prefix}{service.name}.{method.name}"
                try:
                    options = descriptor_pb2.MethodOptions.FromString(method.options.SerializePartialToString())
                except DecodeError:
                    description = "the bytes are no HttpRule; generate the descriptors anew with protoc or buf"
                    problems.append(Problem(name, "google.api.http", "", description))
                    continue
                if options.HasExtension(annotations_pb2.http):
                    rules[name] = options.Extensions[annotations_pb2.http]
    return rules, problems
