from collector.selection cimport Selection

cdef class Decoder:
    cdef readonly list unknown
    cdef readonly Py_ssize_t list_bytes
    cdef readonly Py_ssize_t fields
    cdef readonly Py_ssize_t cut_fields
    cdef Selection _selection
    cdef const unsigned char* _wanted
    cdef const unsigned char* _p
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end
    cdef list _ring
    cdef Py_ssize_t _head
    cdef Py_ssize_t _count
    cdef Py_ssize_t _size
    cdef Py_ssize_t _bound
    cdef Py_ssize_t _max_bound
    cdef Py_ssize_t _peer_bound
    cdef Py_ssize_t _max_list_bytes
    cdef bint _bound_proved
    cdef bint _whole
    cdef long long _origin
    cdef dict _name_identities

    cpdef bint decode(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end, list headers)
    cpdef void lose(self)
    cpdef void allow(self, Py_ssize_t table_bytes)
    cdef bint _indexed(self, int first, list headers)
    cdef bint _literal(self, int first, list headers)
    cdef bint _resize(self, int first)
    cdef Py_ssize_t _integer(self, int mask) noexcept
    cdef bytes _string(self)
    cdef Py_ssize_t _string_bytes(self, bint exactly) except -2
    cdef bint _unread_value(self, bint indexing, Py_ssize_t name_bytes)
    cdef void _prove(self) noexcept
    cdef Py_ssize_t _known_bytes(self, tuple field, long long absolute)
    cdef void _remember_name(self, long long identity)
    cdef void _begin(self)
    cdef void _emit(self, tuple entry, list headers)
    cdef void _emit_unknown(self, tuple entry, long long identity, list headers)
    cdef void _insert(self, object entry, Py_ssize_t size)
    cdef void _grow(self)
    cdef void _evict(self, Py_ssize_t limit)
    cdef void _clear(self)
