# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""How an observer reads header blocks (HPACK, RFC 7541), joined at the start, late, or after a loss.

What the dynamic table gives is exact or unknown (collector.hpack_window); fields that nobody reads are passed over.
"""

from typing import Any

import cython

from collector.hpack_tables import STATIC_FIELDS
from collector.selection import EVERYTHING

if cython.compiled:
    from cython.cimports.collector import huffman, literals
    from cython.cimports.collector.hpack_window import ENTRY_OVERHEAD, Window
    from cython.cimports.collector.objects import sbiscope_append
    from cython.cimports.collector.selection import Selection
    from cython.cimports.cpython.bytes import PyBytes_GET_SIZE
else:
    from collector import huffman, literals
    from collector.hpack_window import ENTRY_OVERHEAD, Window
    from collector.selection import Selection

    PyBytes_GET_SIZE = len

STATIC_ENTRIES = cython.declare(cython.Py_ssize_t, 61)
MAX_NAMES = 4096  # names shared by all connections; further ones are only not shared

UNKNOWN_FIELD = cython.declare(tuple, (None, None))
_NAMES = cython.declare(dict, {name: name for name, _ in STATIC_FIELDS})
_STATIC = cython.declare(list, [None, *((_NAMES[name], value) for name, value in STATIC_FIELDS)])


def shared_name(name: bytes) -> bytes:
    """Return the object that stands for `name` in all decoders, so that names can be compared by identity."""
    shared: bytes | None = _NAMES.get(name)
    if shared is None:
        shared = name
        if len(_NAMES) < MAX_NAMES and len(name) <= 64:
            _NAMES[name] = name
    return shared


@cython.final
@cython.cclass
class Decoder:
    """One direction of one connection, or, with the `window` of each put before its block, of all (`shared_decoder`).

    After `decode`: `unknown` = (position, identity) of the fields without a name (None if there are none), `fields` =
    how many fields the block has, selected or not, `cut_fields` = how many of them were left out for size,
    `list_bytes` = size of those handed on (RFC 9113 6.5.2).
    """

    def __init__(
        self,
        selection: Selection,
        from_start: cython.bint,
        max_table_bytes: cython.Py_ssize_t = 65_536,
        max_list_bytes: cython.Py_ssize_t = 262_144,
    ) -> None:
        """`from_start`: the first block given to `decode` is the connection's first one."""
        self._selection = selection
        self._wanted = selection.static
        self._max_list_bytes = max_list_bytes
        self.window = Window(max_table_bytes)
        self.unknown: list[Any] | None = None
        self.list_bytes = self.fields = self.cut_fields = 0
        if from_start:
            self.window.begin()

    @property
    def synchronised(self) -> bool:
        """Whether every entry the encoder can refer to is known (collector.hpack_window)."""
        return bool(self.window.is_synchronised())

    @property
    def table_bytes(self) -> int:
        """Size of the entries known (RFC 7541 4.1); what is unknown of them counts nothing."""
        size: int = self.window.bytes
        return size

    def allow(self, table_bytes: cython.Py_ssize_t) -> None:
        """Take notice of SETTINGS_HEADER_TABLE_SIZE, as far as all SETTINGS of the other end were seen."""
        self.window.allow(table_bytes)

    def forget_allowance(self) -> None:
        """Trust the SETTINGS seen no more: some of the other end's octets are missing."""
        self.window.forget_allowance()

    def lose(self) -> None:
        """Forget the table: a block was missed or could not be read."""
        self.window.lose()

    def decode(
        self, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, headers: list[Any]
    ) -> bool:
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
                fine = self._indexed(headers)
            elif first & 224 == 32:
                fine = self._resize()
            else:
                fine = self._literal(first, headers)
        if not fine:
            self.lose()
        return fine

    def clear(self) -> None:
        """Forget the block read last."""
        self.unknown = None
        self.list_bytes = self.fields = self.cut_fields = 0

    def _indexed(self, headers: list[Any]) -> bool:
        """Read an indexed field (RFC 7541 6.1)."""
        index: cython.Py_ssize_t = self._p[self._at] & 127
        if index < 127:
            self._at += 1
        else:
            index = self._integer(127)
        self.fields += 1
        if index <= STATIC_ENTRIES:
            if index <= 0:
                return False
            if self._wanted[index]:
                self._emit(cython.cast(tuple, _STATIC[index]), headers)
            return True
        index -= STATIC_ENTRIES + 1
        window: Window = self.window
        if index >= window.count:
            if not window.may_hold(index):
                return False
            self._emit_unknown(UNKNOWN_FIELD, window.identity(index), headers)
            return True
        slot: object = window.slot(index)
        if isinstance(slot, tuple):
            field: tuple[Any, ...] = cython.cast(tuple, slot)
            if field[0] is None:
                self._emit_unknown(field, window.identity(index), headers)
            else:
                self._emit(field, headers)
        return True

    def _literal(self, first: cython.int, headers: list[Any]) -> bool:
        """Read a literal field (RFC 7541 6.2): 01 with indexing, 0000 without, 0001 never indexed."""
        indexing: cython.bint = first & 64 != 0
        wanted: cython.bint = True
        identity: cython.longlong = 0
        name_bytes: cython.Py_ssize_t = 0
        name: bytes | None = None
        slot: object
        window: Window = self.window
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
                name = cython.cast(bytes, cython.cast(tuple, _STATIC[index])[0])
                wanted = self._wanted[index] != 0
            name_bytes = PyBytes_GET_SIZE(name)
        else:
            index -= STATIC_ENTRIES + 1
            if index >= window.count:
                if not window.may_hold(index):
                    return False
                identity = window.identity(index)
            else:
                slot = window.slot(index)
                if isinstance(slot, tuple):
                    name = cython.cast(tuple, slot)[0]
                    if name is None:
                        identity = window.identity(index)
                    else:
                        name_bytes = PyBytes_GET_SIZE(name)
                else:
                    wanted = False
                    name_bytes = cython.cast(cython.Py_ssize_t, slot) >> 24
        if not wanted:
            return self._unread_value(indexing, name_bytes)
        # What is never to be indexed is not to be kept either (RFC 7541 7.1.3).
        field: tuple[Any, ...] | None = self._field(name, first & 0xF0 != 0x10)
        if field is None:
            return False
        if name is None:
            self._emit_unknown(field, identity, headers)
        else:
            self._emit(field, headers)
        if indexing:
            value_bytes: cython.Py_ssize_t = PyBytes_GET_SIZE(cython.cast(bytes, field[1]))
            if name is None:
                window.insert_unnamed(field, identity, ENTRY_OVERHEAD + value_bytes)
            else:
                window.insert(field, ENTRY_OVERHEAD + name_bytes + value_bytes)
        return True

    def _field(self, name: bytes | None, may_be_kept: cython.bint) -> tuple[Any, ...] | None:
        """Read the value of a literal field; return the field, None if the string is malformed."""
        field: tuple[Any, ...] | None = None
        value: bytes | None
        size: cython.Py_ssize_t = self._length()
        if size < 0:
            return None
        huffman_coded: cython.bint = self._is_coded
        at: cython.Py_ssize_t = self._at
        self._at = at + size
        if name is not None:
            field = literals.met(self._p, at, size, huffman_coded, name)
        if field is None:
            value = huffman.text(self._p, at, at + size) if huffman_coded else self._p[at : at + size]
            if value is None:
                return None
            field = (name, value)
            if name is not None and may_be_kept:
                literals.keep(self._p, at, size, huffman_coded, field)
        return field

    def _unread_value(self, indexing: cython.bint, name_bytes: cython.Py_ssize_t) -> bool:
        """Pass over the value of a field that nobody reads; only its size matters, and only to the table."""
        size: cython.Py_ssize_t = self._string_bytes(indexing)
        if size < 0:
            return False
        if indexing:
            size += ENTRY_OVERHEAD + name_bytes
            self.window.insert(name_bytes << 24 | size, size)
        return True

    def _resize(self) -> bool:
        """Read a size update, which stands only before the first field (RFC 7541 4.2, 6.3)."""
        table_bytes: cython.Py_ssize_t = self._integer(31)
        if table_bytes < 0 or self.fields:
            return False
        self.window.resize(table_bytes)
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

    def _length(self) -> cython.Py_ssize_t:
        """Read the length of a string literal, whose octets are then at _at (RFC 7541 5.2); -1: cut off or too long."""
        size: cython.Py_ssize_t
        if self._at >= self._end:
            return -1
        self._is_coded = self._p[self._at] & 128 != 0
        size = self._integer(127)
        return size if size <= self._end - self._at else -1

    def _string(self) -> bytes | None:
        """Read a string literal (RFC 7541 5.2); None: malformed."""
        size: cython.Py_ssize_t = self._length()
        if size < 0:
            return None
        at: cython.Py_ssize_t = self._at
        self._at = at + size
        if not self._is_coded:
            plain: bytes = self._p[at : at + size]
            return plain
        return huffman.text(self._p, at, at + size)

    def _string_bytes(self, exactly: cython.bint) -> cython.Py_ssize_t:
        """Pass over a string literal; return its size, decoded if `exactly`, -1 if it is malformed."""
        size: cython.Py_ssize_t = self._length()
        if size < 0:
            return -1
        at: cython.Py_ssize_t = self._at
        self._at = at + size
        if self._is_coded and exactly:
            return huffman.length(self._p, at, at + size)
        return size

    def _emit(self, field: tuple[Any, ...], headers: list[Any]) -> None:
        name: bytes = cython.cast(bytes, field[0])
        value: bytes = cython.cast(bytes, field[1])
        self.list_bytes += ENTRY_OVERHEAD + PyBytes_GET_SIZE(name) + PyBytes_GET_SIZE(value)
        if self.list_bytes > self._max_list_bytes:
            self.cut_fields += 1
        elif cython.compiled:
            sbiscope_append(headers, field)
        else:
            headers.append(field)

    def _emit_unknown(self, field: tuple[Any, ...], identity: cython.longlong, headers: list[Any]) -> cython.int:
        value: bytes | None = field[1]
        self.list_bytes += ENTRY_OVERHEAD
        if value is not None:
            self.list_bytes += PyBytes_GET_SIZE(value)
        if self.list_bytes > self._max_list_bytes:
            self.cut_fields += 1
            return 0
        unknown: list[Any] | None = self.unknown
        if unknown is None:
            self.unknown = unknown = []
        unknown.append((len(headers), identity))
        headers.append(field)
        return 0


_shared = cython.declare(Decoder, Decoder(EVERYTHING, False))


def shared_decoder(selection: Selection, max_list_bytes: cython.Py_ssize_t) -> Decoder:
    """Return one decoder for all connections with that selection and bound, so that it is at hand in the caches."""
    global _shared
    if _shared._selection is not selection or _shared._max_list_bytes != max_list_bytes:
        _shared = Decoder(selection, False, 0, max_list_bytes)
    return _shared
