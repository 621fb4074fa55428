"""The names of enums in JSON, with and without the prefix that style guides ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import EnumDescriptor

from edge.model.hints import did_you_mean
from transcoding.codec.words import show

_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
NULL_VALUE = "google.protobuf.NullValue"


class _Open(dict[int, str | int | None]):
    """The printed forms of an open enum: numbers without a name are themselves."""

    def __missing__(self, number: int) -> int:
        return number


class _Null(dict[int, str | int | None]):
    """The printed form of whatever a NullValue is."""

    def __missing__(self, number: int) -> None:
        return None


class UnknownName(ValueError):
    """A text that names no value of an enum and is no number. Not an error where unknown fields are none."""


@dataclass(frozen=True, slots=True)
class EnumNames:
    """The values of an enum."""

    name: str
    """The short name of the enum."""

    closed: bool
    """Whether numbers without a name are refused (proto2, and editions that say so)."""

    numbers: Mapping[object, int]
    """The number of each value, by every name that is read and by the number itself."""

    printed: Mapping[int, str | int | None]
    """What each number is printed as. null for `google.protobuf.NullValue`. An open enum has every number as itself."""

    def complaint(self, value: object, *, hint: bool) -> str:
        """Return why `value` is none of the enum, for a text with the name that was perhaps meant."""
        if not isinstance(value, str) or not hint:
            return f"{show(value)} is no value of the enum `{self.name}`; write the name of a value"
        mend = did_you_mean(value, (name for name in self.numbers if isinstance(name, str)))
        return f"{show(value)} is no value of the enum `{self.name}`{mend}"


def names_of(enum: EnumDescriptor, *, strip_prefix: bool) -> EnumNames:
    """Return the names of an enum.

    Args:
        enum: The enum.
        strip_prefix: Whether the name of the enum is taken off its values' names.
    """
    full = {value.name: value.number for value in enum.values}
    short = _stripped(enum.name, full) if strip_prefix else {}
    numbers: dict[object, int] = {number: number for number in full.values()}
    numbers.update((short[name], number) for name, number in full.items() if name in short)
    numbers.update(full.items())
    if enum.full_name == NULL_VALUE:
        return EnumNames(enum.name, enum.is_closed, numbers, _Null())
    # of several names for a number the one that the runtime finds by it
    found = {number: enum.values_by_number[number].name for number in full.values()}
    printed: dict[int, str | int | None] = {} if enum.is_closed else _Open()
    printed.update((number, short.get(name, name)) for number, name in found.items())
    return EnumNames(enum.name, enum.is_closed, numbers, printed)


def _stripped(enum_name: str, names: Iterable[str]) -> dict[str, str]:
    """Return the names that can do without the prefix, by their full names."""
    prefix = _WORD_ENDS.sub("_", enum_name).upper() + "_"
    known = set(names)
    short = {name: name.removeprefix(prefix) for name in known if name.startswith(prefix)}
    return {name: rest for name, rest in short.items() if rest[:1].isalpha() and rest not in known}
