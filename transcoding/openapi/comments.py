"""The comments of proto files, where descriptors still have them: descriptor sets made with `--include_source_info`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from google.protobuf import descriptor_pb2

_DIRECTIVE = re.compile(r"\(--.*?--\)|^ ?buf:lint:.*$", re.DOTALL | re.MULTILINE)
"""What is written for tools: AIP-192 "internal comments", and buf's."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")

_File = descriptor_pb2.FileDescriptorProto
_Message = descriptor_pb2.DescriptorProto

_Path = tuple[int, ...]


class Comments:
    """The comments of some files by full name.

    Args:
        files: Serialized `FileDescriptorProto`s. A pool drops their comments, so they are read from here.
    """

    def __init__(self, files: Iterable[bytes] = ()) -> None:
        self._texts: dict[str, str] = {}
        for data in files:
            file = _File.FromString(data)
            if file.source_code_info.location:
                self._take(file)

    def of(self, full_name: str) -> str:
        """Return the comment on a message, field, enum, value, service or method. Empty when there is none."""
        return self._texts.get(full_name, "")

    def _take(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        names = dict(_places(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            text = _clean(location.leading_comments or location.trailing_comments)
            if name is not None and text:
                self._texts[name] = text


def first_sentence(text: str) -> tuple[str, str]:
    """Return the first sentence of a comment, on one line and without its full stop, and the rest."""
    head, *rest = _SENTENCE_END.split(text.strip(), maxsplit=1)
    return " ".join(head.split()).removesuffix("."), rest[0].strip() if rest else ""


def words(name: str) -> str:
    """Return a name in words: `GetBookCover` is `Get book cover`, `page_size` is `Page size`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).replace("_", " ")
    return " ".join(
        part if number == 0 or (part.isupper() and len(part) > 1) else part.lower()
        for number, part in enumerate(spaced.split())
    ).replace(spaced[:1], spaced[:1].upper(), 1)


def _clean(text: str) -> str:
    kept = _DIRECTIVE.sub("", text)
    lines = [line.removeprefix(" ").rstrip() for line in kept.splitlines()]
    return "\n".join(lines).strip()


def _places(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    """Yield the path of each definition (descriptor.proto, SourceCodeInfo.Location) with its full name."""
    prefix = f"{file.package}." if file.package else ""
    yield from _messages(file.message_type, (_File.MESSAGE_TYPE_FIELD_NUMBER,), prefix)
    yield from _enums(file.enum_type, (_File.ENUM_TYPE_FIELD_NUMBER,), prefix)
    for number, service in enumerate(file.service):
        path = (_File.SERVICE_FIELD_NUMBER, number)
        name = f"{prefix}{service.name}"
        yield path, name
        for place, method in enumerate(service.method):
            yield (*path, descriptor_pb2.ServiceDescriptorProto.METHOD_FIELD_NUMBER, place), f"{name}.{method.name}"


def _messages(found: Sequence[_Message], before: _Path, prefix: str) -> Iterator[tuple[_Path, str]]:
    for number, message in enumerate(found):
        path, name = (*before, number), f"{prefix}{message.name}"
        yield path, name
        for place, field in enumerate(message.field):
            yield (*path, _Message.FIELD_FIELD_NUMBER, place), f"{name}.{field.name}"
        yield from _messages(message.nested_type, (*path, _Message.NESTED_TYPE_FIELD_NUMBER), f"{name}.")
        yield from _enums(message.enum_type, (*path, _Message.ENUM_TYPE_FIELD_NUMBER), f"{name}.")


def _enums(
    found: Sequence[descriptor_pb2.EnumDescriptorProto], before: _Path, prefix: str
) -> Iterator[tuple[_Path, str]]:
    for number, enum in enumerate(found):
        path, name = (*before, number), f"{prefix}{enum.name}"
        yield path, name
        for place, value in enumerate(enum.value):
            # values are siblings of their enum, but this name is unambiguous
            yield (*path, descriptor_pb2.EnumDescriptorProto.VALUE_FIELD_NUMBER, place), f"{name}.{value.name}"
