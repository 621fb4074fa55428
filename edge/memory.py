"""How the process keeps its memory: what is settled once, when the gateway is ready to serve."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Final

YOUNG_COLLECTION: Final = 20_000
"""Allocations before a young collection. A call leaves hardly anything to collect, so Python's 700 come too often."""

KEPT_FREE: Final = 16 * 2**20
"""The bytes of freed memory that stay with the process for what comes next."""

LARGEST_KEPT: Final = 2**20
"""The bytes of the largest block that is taken from there and not from the system."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""The names of mallopt(3)."""

_OF_THE_OPERATOR: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def settle() -> None:
    """Spare the garbage collector what was made at the start and stays, and keep memory for large messages.

    Without the first it walks over modules, descriptors and the snapshot again and again while calls come and go, which
    costs more than routing does. Without the second glibc gives the pages of each piece of a large message back to the
    system and asks for new ones, which costs as much as all else that is done with the piece. What the environment says
    of malloc wins; other C libraries are left alone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_COLLECTION, 10, 10)
    if not any(name in os.environ for name in _OF_THE_OPERATOR):
        keep_freed()


def keep_freed() -> bool:
    """Let malloc keep freed memory up to `KEPT_FREE`; return whether it can be told (mallopt(3), glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_KEPT)) and bool(mallopt(_TRIM_THRESHOLD, KEPT_FREE))
