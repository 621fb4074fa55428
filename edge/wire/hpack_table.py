"""The tables of HPACK: the static one (RFC 7541 appendix A), and both ends of the dynamic one (sections 2.3 and 4)."""

from __future__ import annotations

from collections import deque
from typing import Final

Field = tuple[str, str]
"""Name and value, latin-1 text; the name in lower case."""

DEFAULT_TABLE_SIZE: Final = 4096
"""Octets that a dynamic table has until SETTINGS_HEADER_TABLE_SIZE says otherwise (RFC 9113 section 6.5.2)."""

FIELD_OVERHEAD: Final = 32
"""Octets that a field counts beside its name and value, in tables and in header lists (RFC 7541 section 4.1)."""

_STATIC_TABLE: Final = """
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""
"""Name and value of each line. As text, because a tuple of tuples makes gcc work on mypyc's output for minutes."""

STATIC_FIELDS: Final[tuple[Field, ...]] = tuple(
    [(name, value) for name, _, value in [line.partition(" ") for line in _STATIC_TABLE.split("\n")[1:-1]]]
)
"""The static table; the first entry has index 1."""

FIRST_DYNAMIC: Final = 62
"""The index of the newest entry of a dynamic table."""

STATIC_PAIRS: Final[dict[Field, int]] = {field: index for index, field in enumerate(STATIC_FIELDS, 1)}
"""Index by field."""

STATIC_NAMES: Final[dict[str, int]] = {field[0]: index for index, field in reversed([*enumerate(STATIC_FIELDS, 1)])}
"""The first index by name."""


class DecoderTable:
    """Both tables as a decoder sees them: one list by index.

    A dynamic table of 4 KB has at most 128 entries: inserting in the middle moves 1 KB, and each look-up is one step.
    """

    def __init__(self, capacity: int) -> None:
        self.entries: list[Field] = [("", ""), *STATIC_FIELDS]
        """Fields by index; 0 stands for none. Replaced never, so a loop may hold it. To be read only."""
        self.sizes: list[int] = [len(name) + len(value) + FIELD_OVERHEAD for name, value in self.entries]
        """What each entry counts, by index."""
        self.capacity = capacity
        """Octets that the dynamic entries may count."""
        self.used = 0
        """Octets that the dynamic entries count."""

    def insert(self, field: Field, size: int) -> None:
        """Put a field in front of the dynamic entries; what no longer fits goes, all of it if need be (section 4.4).

        Args:
            field: The field.
            size: What it counts: the octets of name and value and 32.
        """
        room = self.capacity - size
        used = self.used
        if used > room:
            self._evict(room)
            used = self.used
        if room >= 0:
            self.entries.insert(FIRST_DYNAMIC, field)
            self.sizes.insert(FIRST_DYNAMIC, size)
            self.used = used + size

    def resize(self, capacity: int) -> None:
        """Set the capacity in octets; the oldest entries that no longer fit go (section 4.3)."""
        self.capacity = capacity
        self._evict(capacity)

    def dynamic(self) -> list[Field]:
        """Return the dynamic entries, the newest first."""
        return self.entries[FIRST_DYNAMIC:]

    def _evict(self, room: int) -> None:
        used = self.used
        while used > room and used > 0:
            used -= self.sizes.pop()
            self.entries.pop()
        self.used = used


class EncoderTable:
    """The dynamic table as an encoder sees it: which index a field or a name has.

    Entries are numbered as they come, because an index changes with each insertion: it is
    `FIRST_DYNAMIC + count - number`.
    """

    def __init__(self, capacity: int) -> None:
        self.count = 0
        """How many entries have ever been inserted; the number of the newest."""
        self.pairs: dict[Field, int] = {}
        """Number by field."""
        self.names: dict[str, int] = {}
        """The newest number by name."""
        self.capacity = capacity
        """Octets that the entries may count."""
        self.used = 0
        """Octets that the entries count."""
        self._order: deque[Field] = deque()

    def insert(self, field: Field) -> None:
        """Insert a field that is not in the table and counts no more than `capacity`; the oldest make room."""
        size = len(field[0]) + len(field[1]) + FIELD_OVERHEAD
        self._evict(self.capacity - size)
        self.count += 1
        self.pairs[field] = self.count
        self.names[field[0]] = self.count
        self._order.append(field)
        self.used += size

    def resize(self, capacity: int) -> None:
        """Set the capacity in octets; the oldest entries that no longer fit go."""
        self.capacity = capacity
        self._evict(capacity)

    def dynamic(self) -> list[Field]:
        """Return the entries, the newest first."""
        return list(reversed(self._order))

    def _evict(self, room: int) -> None:
        while self.used > room and self._order:
            field = self._order.popleft()
            number = self.pairs.pop(field)
            if self.names[field[0]] == number:
                del self.names[field[0]]
            self.used -= len(field[0]) + len(field[1]) + FIELD_OVERHEAD
