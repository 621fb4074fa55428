"""Words that help somebody who mistyped a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12
"""The most names a hint lists."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that `word` was most likely meant to be, or None when none is near."""
    folded = {_fold(name): name for name in known}
    found = difflib.get_close_matches(_fold(word[:100]), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return what to add to a complaint about an unknown name: the nearest one, or all when they are few.

    The text begins with `; ` or is empty.
    """
    names = sorted(set(known))
    if (best := nearest(word, names)) is not None:
        return f"; did you mean `{best}`?"
    if not names:
        return ""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; known are {', '.join(f'`{name}`' for name in names[:_SHOWN])}{rest}"


def _fold(word: str) -> str:
    return word.lower().replace("-", "_")
