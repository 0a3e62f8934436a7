# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How an observer reads header blocks (HPACK, RFC 7541), joined at the start, late, or after a loss.

An index of the dynamic table counts from the newest insertion (RFC 7541 2.3.3). So the newest insertions, as far as
seen, stand under the same indices as in the encoder's table, whatever was inserted before: a window of them gives
exact fields, and an index beyond the window is unknown. It never guesses. What the window must never do is to forget
an entry and go on counting, or to count an insertion that was not made; hence a loss clears it.

The window holds everything that the encoder can refer to (`synchronised`) once its insertions are worth the largest
table that the encoder may keep: sizes of entries with unknown names are counted as a lower bound.
"""

import cython

from collector.hpack_tables import STATIC_FIELDS

if cython.compiled:
    from cython.cimports.collector import huffman
    from cython.cimports.collector.selection import Selection
    from cython.cimports.cpython.bytes import PyBytes_GET_SIZE
else:
    from collector import huffman
    from collector.selection import Selection

    PyBytes_GET_SIZE = len

ENTRY_OVERHEAD = cython.declare(cython.Py_ssize_t, 32)  # RFC 7541 4.1
INITIAL_TABLE_BYTES = cython.declare(cython.Py_ssize_t, 4096)  # RFC 9113 6.5.2
STATIC_ENTRIES = cython.declare(cython.Py_ssize_t, 61)
MAX_INDEX = cython.declare(cython.Py_ssize_t, 1 << 20)  # no table of 32 MiB exists
EPOCH = cython.declare(cython.longlong, 1 << 40)  # apart from each other: identities before and after a loss
MAX_NAMES = 4096  # names shared by all connections; further ones are only not shared

UNKNOWN_FIELD: tuple[None, None] = (None, None)
_NAMES = cython.declare(dict, {name: name for name, _ in STATIC_FIELDS})
_STATIC = cython.declare(list, [None, *((_NAMES[name], value) for name, value in STATIC_FIELDS)])

# Where Huffman strings are decoded to; one for all decoders, of which only one runs at a time.
_scratch = cython.declare(bytearray, bytearray(4096))
_out = cython.declare(cython.p_uchar)
_out = _scratch


def _enlarge_scratch(octets: int) -> None:
    global _scratch, _out
    _scratch = bytearray(octets)
    _out = _scratch


def shared_name(name: bytes) -> bytes:
    """Return the object that stands for `name` in all decoders, so that names can be compared by identity."""
    shared = _NAMES.get(name)
    if shared is None:
        shared = name
        if len(_NAMES) < MAX_NAMES and len(name) <= 64:
            _NAMES[name] = name
    return shared


@cython.final
@cython.cclass
class Decoder:
    """One direction of one connection.

    After `decode`: `unknown` = (position, identity) of the fields without a name (None if there are none), `fields` =
    how many fields the block has, selected or not, `cut_fields` = how many of them were left out for size,
    `list_bytes` = size of those handed on (RFC 9113 6.5.2).
    """

    def __init__(
        self, selection: Selection, from_start: bool, max_table_bytes: int = 65_536, max_list_bytes: int = 262_144
    ) -> None:
        """`from_start`: the first block given to `decode` is the connection's first one."""
        self._selection = selection
        self._wanted = selection.static
        self._max_bound = max_table_bytes
        self._max_list_bytes = max_list_bytes
        self._peer_bound = -1
        self._bound = max_table_bytes
        self._bound_proved = False
        self._whole = False
        self._origin = 0
        self._head = 0
        self._clear()
        self.unknown = None
        self.list_bytes = self.fields = self.cut_fields = 0
        if from_start:
            self._begin()

    def _begin(self) -> None:
        self._whole = True
        self._bound_proved = self._max_bound >= INITIAL_TABLE_BYTES
        self._bound = min(INITIAL_TABLE_BYTES, self._max_bound)

    @property
    def synchronised(self) -> bool:
        """Whether every entry the encoder can refer to is known.

        Proved where the table's bound is (connection followed from its start, a size update or all SETTINGS of the
        other end seen), else under the assumption that no encoder keeps more than `max_table_bytes`.
        """
        return bool(self._whole or self._size + ENTRY_OVERHEAD > self._bound)

    @property
    def table_bytes(self) -> int:
        """Size of the entries known (RFC 7541 4.1); what is unknown of them counts nothing."""
        size: int = self._size
        return size

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

    def lose(self) -> None:
        """A block was missed or could not be read: what the encoder's table holds is not known any more."""
        self._origin -= EPOCH
        self._clear()
        self._whole = False
        self._bound_proved = 0 <= self._peer_bound <= self._max_bound
        self._bound = self._peer_bound if self._bound_proved else self._max_bound

    def decode(self, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, headers: list) -> bool:
        """Append the fields of the block p[at:end] to `headers`. False: against RFC 7541, and the table is lost."""
        first: cython.int
        fine: cython.bint = True
        self._p = p
        self._at = at
        self._end = end
        self.unknown = None
        self.list_bytes = self.fields = self.cut_fields = 0
        while fine and self._at < end:
            first = p[self._at]
            if first & 128:
                fine = self._indexed(first, headers)
            elif first & 224 == 32:
                fine = self._resize(first)
            else:
                fine = self._literal(first, headers)
        if not fine:
            self.lose()
        return fine

    def _indexed(self, first: cython.int, headers: list) -> bool:
        """Read an indexed field (RFC 7541 6.1)."""
        index: cython.Py_ssize_t = self._integer(127)
        self.fields += 1
        if index <= STATIC_ENTRIES:
            if index <= 0:
                return False
            if self._wanted[index]:
                self._emit(cython.cast(tuple, _STATIC[index]), headers)
            return True
        index -= STATIC_ENTRIES + 1
        if index >= self._count:
            if self._whole or index >= MAX_INDEX:
                return False
            self._emit_unknown(UNKNOWN_FIELD, self._origin + self._head - 1 - index, headers)
            return True
        absolute: cython.longlong = self._head - 1 - index
        slot: object = self._ring[absolute & (len(self._ring) - 1)]
        if isinstance(slot, tuple):
            if cython.cast(tuple, slot)[0] is None:
                self._emit_unknown(slot, self._name_identities[absolute], headers)
            else:
                self._emit(slot, headers)
        return True

    def _literal(self, first: cython.int, headers: list) -> bool:
        """Read a literal field (RFC 7541 6.2): 01 with indexing, 0000 without, 0001 never indexed."""
        indexing: cython.bint = first & 64 != 0
        wanted: cython.bint = True
        identity: cython.longlong = 0
        name_bytes: cython.Py_ssize_t = 0
        name: bytes | None = None
        slot: object
        index: cython.Py_ssize_t = self._integer(63 if indexing else 15)
        self.fields += 1
        if index < 0:
            return False
        if index <= STATIC_ENTRIES:
            if index == 0:
                name = self._string()
                if name is None:
                    return False
                name = shared_name(name)
                wanted = self._selection.wants(name)
            else:
                name = cython.cast(tuple, _STATIC[index])[0]
                wanted = self._wanted[index] != 0
            name_bytes = PyBytes_GET_SIZE(name)
        else:
            index -= STATIC_ENTRIES + 1
            identity = self._head - 1 - index
            if index < self._count:
                slot = self._ring[identity & (len(self._ring) - 1)]
                if isinstance(slot, tuple):
                    name = cython.cast(tuple, slot)[0]
                    if name is None:
                        identity = self._name_identities[identity]
                    else:
                        name_bytes = PyBytes_GET_SIZE(name)
                else:
                    wanted = False
                    name_bytes = cython.cast(cython.Py_ssize_t, slot) >> 24
            elif self._whole or index >= MAX_INDEX:
                return False
            else:
                identity += self._origin
        if not wanted:
            return self._unread_value(indexing, name_bytes)
        value: bytes | None = self._string()
        if value is None:
            return False
        field: tuple = (name, value)
        if name is None:
            self._emit_unknown(field, identity, headers)
        else:
            self._emit(field, headers)
        if indexing:
            self._insert(field, ENTRY_OVERHEAD + name_bytes + PyBytes_GET_SIZE(value))
            if name is None and self._count:
                self._remember_name(identity)
        return True

    def _unread_value(self, indexing: cython.bint, name_bytes: cython.Py_ssize_t) -> bool:
        """Pass over the value of a field that nobody reads; only its size matters, and only to the table."""
        size: cython.Py_ssize_t = self._string_bytes(indexing)
        if size < 0:
            return False
        if indexing:
            size += ENTRY_OVERHEAD + name_bytes
            self._insert(name_bytes << 24 | size, size)
        return True

    def _resize(self, first: cython.int) -> bool:
        """Read a size update, which stands only before the first field (RFC 7541 4.2, 6.3)."""
        table_bytes: cython.Py_ssize_t = self._integer(31)
        if table_bytes < 0 or self.fields:
            return False
        self._bound_proved = table_bytes <= self._max_bound
        self._bound = table_bytes if self._bound_proved else self._max_bound
        self._evict(self._bound)
        self._prove()
        return True

    def _integer(self, mask: cython.int) -> cython.Py_ssize_t:
        """Read the integer whose first octet is at _at, before _end (RFC 7541 5.1); -1: cut off or above 2^28."""
        p: cython.p_const_uchar = self._p
        at: cython.Py_ssize_t = self._at
        value: cython.Py_ssize_t = p[at] & mask
        shift: cython.int = 0
        octet: cython.int
        at += 1
        if value == mask:
            while True:
                if at >= self._end or shift > 21:
                    return -1
                octet = p[at]
                at += 1
                value += cython.cast(cython.Py_ssize_t, octet & 127) << shift
                shift += 7
                if octet < 128:
                    break
        self._at = at
        return value

    def _string(self) -> bytes | None:
        """Read a string literal (RFC 7541 5.2); None: malformed."""
        at: cython.Py_ssize_t = self._at
        size: cython.Py_ssize_t
        if at >= self._end:
            return None
        huffman_coded: cython.bint = self._p[at] & 128 != 0
        size = self._integer(127)
        at = self._at
        if size < 0 or size > self._end - at:
            return None
        self._at = at + size
        if not huffman_coded:
            return self._p[at : at + size]
        size = _decode_huffman(self._p, at, at + size)
        if size < 0:
            return None
        if cython.compiled:
            return _out[:size]
        return bytes(_scratch[:size])

    def _string_bytes(self, exactly: cython.bint) -> cython.Py_ssize_t:
        """Pass over a string literal; return its size, decoded if `exactly`, -1 if it is malformed."""
        at: cython.Py_ssize_t = self._at
        size: cython.Py_ssize_t
        if at >= self._end:
            return -1
        huffman_coded: cython.bint = self._p[at] & 128 != 0
        size = self._integer(127)
        at = self._at
        if size < 0 or size > self._end - at:
            return -1
        self._at = at + size
        if huffman_coded and exactly:
            return _decode_huffman(self._p, at, at + size)
        return size

    def _emit(self, field: tuple, headers: list) -> None:
        name: bytes = field[0]
        value: bytes = field[1]
        self.list_bytes += ENTRY_OVERHEAD + PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value)
        if self.list_bytes > self._max_list_bytes:
            self.cut_fields += 1
        else:
            headers.append(field)

    def _emit_unknown(self, field: tuple, identity: cython.longlong, headers: list) -> None:
        value: bytes | None = field[1]
        self.list_bytes += ENTRY_OVERHEAD
        if value is not None:
            self.list_bytes += PyBytes_GET_SIZE(value)
        if self.list_bytes > self._max_list_bytes:
            self.cut_fields += 1
            return
        if self.unknown is None:
            self.unknown = []
        self.unknown.append((len(headers), identity))
        headers.append(field)

    def _insert(self, slot: object, size: cython.Py_ssize_t) -> None:
        """Put an entry as the newest (RFC 7541 4.4): (name, value), or name size << 24 | size if nobody reads it."""
        if size > self._bound:
            self._head += 1
            self._clear()
            self._whole = self._bound_proved
            return
        self._evict(self._bound - size)
        if self._count == len(self._ring):
            self._grow()
        self._ring[self._head & (len(self._ring) - 1)] = slot
        self._head += 1
        self._count += 1
        self._size += size
        self._prove()

    def _prove(self) -> None:
        """Nothing older than the window can exist if no entry, however small, has room beside it."""
        if self._bound_proved and self._size + ENTRY_OVERHEAD > self._bound:
            self._whole = True

    def _grow(self) -> None:
        """Double the ring; the window's bound in octets bounds it to twice as many entries as can be."""
        old: list = self._ring
        room: cython.Py_ssize_t = 2 * len(old) if old else 8
        ring: list = [None] * room
        absolute: cython.longlong
        for absolute in range(self._head - self._count, self._head):
            ring[absolute & (room - 1)] = old[absolute & (len(old) - 1)]
        self._ring = ring

    def _evict(self, limit: cython.Py_ssize_t) -> None:
        """Drop the oldest until the rest fits in `limit` octets."""
        oldest: cython.longlong
        place: cython.Py_ssize_t
        slot: object
        while self._size > limit and self._count > 0:
            oldest = self._head - self._count
            place = oldest & (len(self._ring) - 1)
            slot = self._ring[place]
            self._ring[place] = None
            self._count -= 1
            if isinstance(slot, tuple):
                self._size -= self._known_bytes(cython.cast(tuple, slot), oldest)
            else:
                self._size -= cython.cast(cython.Py_ssize_t, slot) & 0xFFFFFF
            self._whole = self._bound_proved

    def _known_bytes(self, field: tuple, absolute: cython.longlong) -> cython.Py_ssize_t:
        name: bytes | None = field[0]
        value: bytes = field[1]
        if name is None:
            del self._name_identities[absolute]
            return ENTRY_OVERHEAD + PyBytes_GET_SIZE(value)
        return ENTRY_OVERHEAD + PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value)

    def _remember_name(self, identity: cython.longlong) -> None:
        """The newest entry bears the unknown name of another one."""
        if self._name_identities is None:
            self._name_identities = {}
        self._name_identities[self._head - 1] = identity

    def _clear(self) -> None:
        self._ring = []
        self._count = 0
        self._size = 0
        self._name_identities = None


@cython.cfunc
@cython.exceptval(-2)
def _decode_huffman(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Decode p[at:end] to the scratch buffer; its length or -1."""
    needed: cython.Py_ssize_t = 2 * (end - at) + 2
    if needed > len(_scratch):
        _enlarge_scratch(2 * needed)
    if cython.compiled:
        return huffman.decode(p, at, end, _out)
    return huffman.decode(p, at, end, _scratch)
