"""The wire engine: HTTP/2 without I/O, and calls forwarded frame by frame.

Bytes and calls in, bytes and events out; asyncio is in `transport` alone. All but that module is typed so that mypyc
compiles it (`make wheel`); the sources run the same uncompiled.
"""

from __future__ import annotations

import pkgutil
from importlib.machinery import ExtensionFileLoader, FileFinder


def compiled() -> bool:
    """Return whether the modules of this package are compiled, without importing one. It reads the folder."""
    return any(
        (found := finder.find_spec(f"{__name__}.{name}")) is not None and isinstance(found.loader, ExtensionFileLoader)
        for finder, name, _ in pkgutil.iter_modules(__path__)
        if isinstance(finder, FileFinder)
    )
