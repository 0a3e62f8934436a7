# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What an encoder's dynamic table holds, as far as an observer can know (RFC 7541 2.3.2, 4).

An index counts from the newest insertion (RFC 7541 2.3.3). So the newest insertions, as far as seen, stand under the
same indices as in the encoder's table, whatever was inserted before: a window of them gives exact fields, and an
index beyond the window is unknown. It never guesses. What the window must never do is to forget an entry and go on
counting, or to miss an insertion; hence a loss clears it. Entries that the encoder has evicted may stay in the window
for a while (of an unknown name the size counts nothing): no index reaches them.

The window holds everything that the encoder can refer to (`is_synchronised`) once its insertions are worth the largest
table that the encoder may keep.
"""

from typing import Any

import cython

if cython.compiled:
    from cython.cimports.collector.objects import sbiscope_fetch, sbiscope_items, sbiscope_put
    from cython.cimports.cpython.bytes import PyBytes_GET_SIZE
else:
    PyBytes_GET_SIZE = len

ENTRY_OVERHEAD = cython.declare(cython.Py_ssize_t, 32)  # RFC 7541 4.1
INITIAL_TABLE_BYTES = cython.declare(cython.Py_ssize_t, 4096)  # RFC 9113 6.5.2
MAX_INDEX = cython.declare(cython.Py_ssize_t, 1 << 20)  # no table of 32 MiB exists
FEW = cython.declare(cython.Py_ssize_t, 8)  # of so few entries none is fetched ahead; not below 2, as three are noted
EPOCH = cython.declare(cython.longlong, 1 << 40)  # apart from each other: identities before and after a loss


@cython.final
@cython.cclass
class Window:
    """The newest entries.

    A slot is a field (name or None, value), or, of a field that nobody reads, size of the name << 24 | size of the
    entry. count, bytes: of the entries held. head: how many insertions were seen. whole: no older entry exists.
    """

    def __init__(self, max_bytes: cython.Py_ssize_t) -> None:
        """Begin late; `max_bytes` = the largest table that is kept."""
        self._max_bound = max_bytes
        self._peer_bound = -1
        self._bound = max_bytes
        self._bound_proved = False
        self.whole = False
        self.origin = 0
        self.head = 0
        self._name_identities: dict[int, int] | None = None
        self._clear()

    def begin(self) -> None:
        """Take the next block for the connection's first: the encoder's table is empty."""
        self.whole = True
        self._bound_proved = self._max_bound >= INITIAL_TABLE_BYTES
        self._bound = min(INITIAL_TABLE_BYTES, self._max_bound)

    def is_synchronised(self) -> bool:
        """Tell whether every entry that the encoder can refer to is known.

        Proved where the table's bound is (connection followed from its start, a size update or all SETTINGS of the
        other end seen), else under the assumption that no encoder keeps more than the largest table kept here.
        """
        return self.whole or self.bytes + ENTRY_OVERHEAD > self._bound

    def lose(self) -> None:
        """Forget all: a block was missed or could not be read."""
        self.origin -= EPOCH
        self._clear()
        self.whole = False
        self._bound_proved = 0 <= self._peer_bound <= self._max_bound
        self._bound = self._peer_bound if self._bound_proved else self._max_bound

    def allow(self, table_bytes: cython.Py_ssize_t) -> None:
        """Take notice of SETTINGS_HEADER_TABLE_SIZE, as far as all SETTINGS of the other end were seen.

        The encoder then keeps no more than the largest of them and the initial 4,096 octets, whatever it announced
        unseen; a size update in a block says more exactly what it keeps (RFC 7541 4.2).
        """
        self._peer_bound = max(self._peer_bound, INITIAL_TABLE_BYTES, table_bytes)
        if not self._bound_proved and self._peer_bound <= self._max_bound:
            self._bound = self._peer_bound
            self._bound_proved = True
            self._evict(self._bound)

    def forget_allowance(self) -> None:
        """Trust the SETTINGS seen no more: some of the other end's octets are missing."""
        self._peer_bound = -1

    def resize(self, table_bytes: cython.Py_ssize_t) -> None:
        """Obey a size update (RFC 7541 4.3, 6.3)."""
        self._bound_proved = table_bytes <= self._max_bound
        self._bound = table_bytes if self._bound_proved else self._max_bound
        self._evict(self._bound)
        self._prove()

    def slot(self, index: cython.Py_ssize_t) -> object:
        """Return what stands at an index below `count`, 0 = the newest."""
        return cython.cast(object, self._items[(self.head - 1 - index) & self._mask])

    def fetch_ahead(self) -> None:
        """Have the CPU fetch what a block will read and evict: of many connections, most are in no cache."""
        if cython.compiled and self.count > FEW:
            sbiscope_fetch(self._items + ((self.head - self.count) & self._mask))
            sbiscope_fetch(self._items + ((self.head - 1) & self._mask))
            sbiscope_fetch(self._leaving[0])
            sbiscope_fetch(self._leaving[1])
            sbiscope_fetch(self._leaving[2])

    def note_leaving(self) -> None:
        """Note, for the next block, where the entries stand that are evicted first; those may be freed by then."""
        if cython.compiled and self.count > FEW:
            oldest: cython.longlong = self.head - self.count
            self._leaving[0] = self._items[oldest & self._mask]
            self._leaving[1] = self._items[(oldest + 1) & self._mask]
            self._leaving[2] = self._items[(oldest + 2) & self._mask]

    def identity(self, index: cython.Py_ssize_t) -> cython.longlong:
        """Return what tells the entry at an index, or the one it has its unknown name from, from all others."""
        place: cython.longlong = self.head - 1 - index
        if index < self.count and self._name_identities is not None:
            return self._name_identities[place]
        return self.origin + place

    def may_hold(self, index: cython.Py_ssize_t) -> bool:
        """Tell whether the encoder's table may hold an entry at an index beyond the window."""
        return not self.whole and index < MAX_INDEX

    def insert(self, slot: object, size: cython.Py_ssize_t) -> cython.int:
        """Put an entry as the newest (RFC 7541 4.4)."""
        if size > self._bound:
            self.head += 1
            self._clear()
            self.whole = self._bound_proved
            return 0
        self._evict(self._bound - size)
        if self.count > self._mask:
            self._grow()
        self._put(self.head & self._mask, slot)
        self.head += 1
        self.count += 1
        self.bytes += size
        self._prove()
        return 0

    def insert_unnamed(self, field: tuple[Any, ...], identity: cython.longlong, size: cython.Py_ssize_t) -> None:
        """Put an entry of which the name is that of another, unknown one."""
        self.insert(field, size)
        if self.count:
            if self._name_identities is None:
                self._name_identities = {}
            self._name_identities[self.head - 1] = identity

    def _prove(self) -> None:
        """Nothing older than the window can exist if no entry, however small, has room beside it."""
        if self._bound_proved and self.bytes + ENTRY_OVERHEAD > self._bound:
            self.whole = True

    def _grow(self) -> None:
        """Double the ring; the window's bound in octets bounds it to twice as many entries as can be."""
        old: list[Any] = self._ring
        room: cython.Py_ssize_t = 2 * len(old) if old else 8
        ring: list[Any] = [None] * room
        place: cython.longlong
        for place in range(self.head - self.count, self.head):
            ring[place & (room - 1)] = old[place & (len(old) - 1)]
        self._hold(ring)

    def _hold(self, ring: list[Any]) -> None:
        """Take a list, which is as long as it will ever be, for the entries; `_items` are its places."""
        self._ring = ring
        self._mask = len(ring) - 1
        if cython.compiled:
            self._items = sbiscope_items(ring)
        else:
            self._items = ring

    def _put(self, place: cython.Py_ssize_t, slot: object) -> None:
        if cython.compiled:
            sbiscope_put(self._items, place, slot)
        else:
            self._items[place] = slot

    def _evict(self, limit: cython.Py_ssize_t) -> None:
        """Drop the oldest until the rest fits in `limit` octets."""
        oldest: cython.longlong
        place: cython.Py_ssize_t
        slot: object
        while self.bytes > limit and self.count > 0:
            oldest = self.head - self.count
            place = oldest & self._mask
            slot = cython.cast(object, self._items[place])
            self._put(place, None)
            self.count -= 1
            if isinstance(slot, tuple):
                self.bytes -= self._known_bytes(slot, oldest)
            else:
                self.bytes -= cython.cast(cython.Py_ssize_t, slot) & 0xFFFFFF
            self.whole = self._bound_proved

    def _known_bytes(self, field: tuple[Any, ...], place: cython.longlong) -> cython.Py_ssize_t:
        name: bytes | None = cython.cast(bytes, field[0])
        value: bytes = cython.cast(bytes, field[1])
        if name is None:
            if self._name_identities is not None:
                del self._name_identities[place]
            return ENTRY_OVERHEAD + PyBytes_GET_SIZE(value)
        return ENTRY_OVERHEAD + PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value)

    def _clear(self) -> None:
        self._hold([])
        self.count = 0
        self.bytes = 0
        self._name_identities = None
