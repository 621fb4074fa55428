"""edge.yaml: the protobuf JSON mapping of `gateway.v1.GatewayConfig`, with line numbers and environment variables.

    loaded = load(text, name="edge.yaml", environment=os.environ)
    loaded.config.routes[0].name
    loaded.locate("routes[0].matches[0].http.path")     # edge.yaml:12:7

Whatever is wrong with a text is an `InvalidRequest` with one violation for each mistake; nothing else is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from edge.control.yaml_locate import find
from edge.control.yaml_message import MessageReader, OutputOnly
from edge.control.yaml_nodes import MapNode, Mark, Node, ScalarNode, parse
from edge.control.yaml_scalars import is_null
from edge.model.errors import InvalidRequest, Violation
from gateway.v1 import config_pb2

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class LoadedMessage(Generic[M]):
    """A message and where its parts stand."""

    config: M
    """The message."""

    name: str
    """What the text is called."""

    root: Node | None
    """What was parsed; None for an empty text."""

    def mark(self, field_path: str) -> Mark:
        """Return the place of a field, as in `routes[2].matches[0].http.path`, or of the nearest field around it."""
        return find(self.root, field_path)

    def locate(self, field_path: str) -> str:
        """Return that place as in `edge.yaml:12:7`."""
        mark = self.mark(field_path)
        return f"{self.name}:{mark.line}:{mark.column}"


class Loaded(LoadedMessage[config_pb2.GatewayConfig]):
    """A configuration file: its `GatewayConfig`, and where the parts of that stand."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, parsed, before it is known what it holds."""

    name: str
    """What the text is called."""

    root: Node | None
    """What it holds; None when it is empty."""

    @property
    def place(self) -> str:
        """Where it begins, as in `edge.yaml:12:1`."""
        mark = self.root.mark if self.root is not None else Mark(1, 1)
        return f"{self.name}:{mark.line}:{mark.column}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its outermost mapping."""
        return tuple(key.text for key, _ in self.root.entries) if isinstance(self.root, MapNode) else ()

    def text(self, key: str) -> str:
        """Return the single value of an outermost key, as written, or an empty text."""
        if isinstance(self.root, MapNode):
            for found, value in self.root.entries:
                if found.text == key and isinstance(value, ScalarNode):
                    return value.text
        return ""

    def read(
        self,
        message_type: type[M],
        *,
        environment: Mapping[str, str],
        output_only: OutputOnly = "refuse",
        refused: Mapping[str, str] | None = None,
    ) -> LoadedMessage[M]:
        """Return the document as a message.

        Args:
            message_type: The type of the message.
            environment: The variables that values may refer to.
            output_only: Whether fields that only the gateway sets are mistakes or left out.
            refused: Outermost keys that are not taken, and what to do about them.

        Raises:
            InvalidRequest: something does not fit; the violations say what and where.
        """
        message = message_type()
        MessageReader(self.name, environment, output_only=output_only, refused=refused).read(self.root, message)
        return LoadedMessage(message, self.name, self.root)


def documents(text: str, *, name: str) -> tuple[Document, ...]:
    """Return the YAML documents of a text that hold something.

    Raises:
        InvalidRequest: the text is not YAML.
    """
    return tuple(Document(name, root) for root in parse(text, name) if root is not None and not is_null(root))


def load_message(
    text: str,
    message_type: type[M],
    *,
    name: str,
    environment: Mapping[str, str],
    output_only: OutputOnly = "refuse",
) -> LoadedMessage[M]:
    """Return a text that holds one message.

    Args:
        text: YAML or JSON. An empty text is an empty message.
        message_type: The type of the message.
        name: What violations call the text, such as the name of the file.
        environment: The variables that values may refer to.
        output_only: Whether fields that only the gateway sets are mistakes or left out.

    Raises:
        InvalidRequest: something is wrong; the violations say what and where.
    """
    found = documents(text, name=name)
    if len(found) > 1:
        description = "a second document begins here; a configuration file holds one, so remove the `---` before it"
        raise InvalidRequest.of([Violation("", description, found[1].place)])
    document = found[0] if found else Document(name, None)
    return document.read(message_type, environment=environment, output_only=output_only)


def load(text: str, *, name: str, environment: Mapping[str, str]) -> Loaded:
    """Return a configuration file.

    Args:
        text: YAML or JSON. An empty text is an empty configuration.
        name: What violations call the text, such as the name of the file.
        environment: The variables that values may refer to.

    Raises:
        InvalidRequest: something is wrong; the violations say what and where.
    """
    found = load_message(text, config_pb2.GatewayConfig, name=name, environment=environment)
    return Loaded(found.config, found.name, found.root)
