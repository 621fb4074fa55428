"""The update mask of a PATCH that brings none: what the JSON body mentions (AIP-134).

grpc-gateway's issues 1549, 1766, 3078, 1488 and 1930 are what goes wrong when a mask is made from the message instead
of the JSON: fields set to their default are lost, maps and lists are taken apart, Any and Struct are walked into.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from transcoding.rules.binding import Binding
from transcoding.rules.fields import Table, Tables

MASK_FIELD = "update_mask"
"""The field of the request that takes the mask."""

_DEEPEST = 64
"""Objects within objects beyond this are named as a whole; protobuf refuses such messages anyhow."""


class AutoMask:
    """Makes the masks of one binding.

    Args:
        table: The fields of the resource.
        bound: The fields of the resource that the path sets, by their paths within it: they say which resource is
            meant and are not changed.
    """

    __slots__ = ("_bound", "_table")

    def __init__(self, table: Table, bound: Iterable[str] = ()) -> None:
        self._table = table
        self._bound = frozenset(bound)

    def paths(self, tree: object) -> list[str]:
        """Return the paths of a mask, by proto names, in the order of the body.

        A message is walked into. Maps, lists, scalars, `null` (which clears), an empty object and the messages that
        JSON writes in their own way (Any, Struct, Timestamp, wrappers, …) are named as a whole. Unknown names are left
        out.

        Args:
            tree: The parsed JSON of the body. Anything but an object has no paths.
        """
        found: dict[str, None] = {}
        self._walk(self._table, tree, "", found, 1)
        return list(found)

    def fill(self, message: Message, tree: object) -> bool:
        """Set the mask of a request and return whether that was done.

        It is not when the request has a mask already, and when the body mentions no field: an absent mask means what
        is set, an empty one may mean everything.

        Args:
            message: The request, after path, query and body have been put into it.
            tree: The parsed JSON of the body.
        """
        if message.HasField(MASK_FIELD):
            return False
        paths = self.paths(tree)
        if paths:
            getattr(message, MASK_FIELD).paths.extend(paths)
        return bool(paths)

    def _walk(self, table: Table, tree: object, prefix: str, found: dict[str, None], depth: int) -> None:
        if not isinstance(tree, dict):
            return
        for key, value in tree.items():
            field = table.names.get(key)
            if field is None:
                continue
            path = f"{prefix}{field.name}"
            if path in self._bound:
                continue
            inner = field.table if depth < _DEEPEST and _walked(field.table) else None
            if inner is not None and isinstance(value, dict) and value:
                self._walk(inner, value, f"{path}.", found, depth + 1)
            else:
                found[path] = None


def auto_mask(binding: Binding, tables: Tables | None = None) -> AutoMask | None:
    """Return what makes the masks of a binding, or None when it gets none.

    It gets one when it is a PATCH whose body is a field with a message, and the request has a singular field
    `update_mask` of the type google.protobuf.FieldMask.

    Args:
        binding: The binding.
        tables: The message types compiled so far. None shares nothing.
    """
    body = binding.body
    if binding.verb != "PATCH" or not isinstance(body, FieldDescriptor) or body.name == MASK_FIELD:
        return None
    mask = binding.method.input_type.fields_by_name.get(MASK_FIELD)
    if mask is None or mask.is_repeated or mask.message_type is None:
        return None
    if mask.message_type.full_name != "google.protobuf.FieldMask":
        return None
    if body.is_repeated or body.message_type is None:
        return None
    table = (Tables() if tables is None else tables).of(body.message_type)
    if not _walked(table):
        return None
    bound = [
        ".".join(variable.field_path[1:])
        for variable in binding.template.variables
        if variable.field_path[0] == body.name and len(variable.field_path) > 1
    ]
    return AutoMask(table, bound)


def _walked(table: Table | None) -> bool:
    """Whether a message is written as an object of its fields."""
    return table is not None and not table.full_name.startswith("google.protobuf.")
