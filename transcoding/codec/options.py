"""What a codec is told, and the types of what it reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
"""A JSON text as a tree. Numbers are finite; an integer beyond 64 bits is a float."""

Report: TypeAlias = Callable[[str], None]
"""Is told the path of something that was ignored, as in `shelf.books[2].colour`."""

MAX_DEPTH = 100
"""How many messages may stand in one another, the outermost one counted, and each entry of a map of messages too.

`google.protobuf.json_format` has the same limit, and protobuf decoders refuse what is nested deeper on the wire.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecOptions:
    """How JSON is read and written. The defaults are those of `google.protobuf.json_format`, which is strict."""

    proto_field_names: bool = False
    """Whether fields are printed with their names in the proto file instead of `json_name`. Both are always read."""

    print_defaults: bool = False
    """Whether fields without presence (lists and maps too) are printed when they hold their default."""

    enums_as_numbers: bool = False
    """Whether values of enums are printed as numbers. Names and numbers are always read."""

    strip_enum_prefix: bool = False
    """Whether `FORMAT_HARDCOVER` of an enum `Format` is printed as `HARDCOVER`; then both are read.

    A value keeps its whole name when what is left would be no name or that of another value.
    """

    unknown_fields: Literal["refuse", "report", "ignore"] = "refuse"
    """What becomes of fields that the message does not have, and of unknown names of enums' values.

    `refuse` is an error with a suggestion; `report` leaves them out and tells the path to the caller of the codec;
    `ignore` leaves them out.
    """
