"""How the components of one group of methods are written: those of one route and one schema, with one codec."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from transcoding.codec import CodecOptions
from transcoding.openapi.annotations import Resources
from transcoding.openapi.comments import Comments

INPUT = "-Input"
"""Ends the name of the component that is a message in requests, where that differs. No proto name has a `-`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the components of one group of methods are written."""

    options: CodecOptions
    """How the codec writes JSON."""

    pool: DescriptorPool
    """Has the messages and their extensions."""

    comments: Comments
    """What people wrote beside the definitions."""

    resources: Resources
    """What the services are about."""

    suffix: str = ""
    """What goes behind the names of components, when another group has others of the same names."""

    @property
    def strict(self) -> bool:
        """Whether requests with unknown fields are refused."""
        return self.options.unknown_fields == "refuse"

    def name(self, field: FieldDescriptor) -> str:
        """Return what a field is called in JSON."""
        if field.is_extension:
            return f"[{field.full_name}]"
        return field.name if self.options.proto_field_names else field.json_name

    def component(self, full_name: str, *, request: bool = False) -> str:
        """Return the name of the component of a message or enum."""
        return f"{full_name}{self.suffix}{INPUT if request else ''}"


def reference(component: str) -> str:
    """Return the reference to a component that is a schema."""
    return f"#/components/schemas/{component}"
