"""Puts the variables of a path into a request message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.message import Message

from edge.model.errors import InvalidRequest, Violation
from transcoding.rules.fields import Chain


class PathBinder:
    """Sets the fields that the variables of one template name.

    Args:
        chains: The field of each variable.
    """

    __slots__ = ("_setters",)

    def __init__(self, chains: Iterable[Chain]) -> None:
        self._setters = tuple(
            (".".join(step.name for step in chain), tuple(step.name for step in chain[:-1]), chain[-1].assign)
            for chain in chains
        )

    def bind(self, message: Message, variables: Mapping[str, str]) -> None:
        """Set the fields of a message from the decoded text of the variables, as `Candidate.variables` has it.

        Raises:
            InvalidRequest: a text is none for its field. The message then holds some of the values.
        """
        violations: list[Violation] = []
        for name, parents, assign in self._setters:
            target = message
            for parent in parents:
                target = getattr(target, parent)
            try:
                assign(target, variables[name])
            except ValueError as error:
                violations.append(Violation(name, str(error)))
        if violations:
            raise InvalidRequest.of(violations)
