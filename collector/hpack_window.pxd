cdef Py_ssize_t ENTRY_OVERHEAD
cdef Py_ssize_t MAX_INDEX

cdef class Window:
    cdef bint whole
    cdef Py_ssize_t count
    cdef long long head
    cdef long long origin
    cdef Py_ssize_t bytes
    cdef list _ring
    cdef Py_ssize_t _bound
    cdef bint _bound_proved
    cdef Py_ssize_t _max_bound
    cdef Py_ssize_t _peer_bound
    cdef dict _name_identities

    cdef void begin(self)
    cdef bint is_synchronised(self)
    cdef void lose(self)
    cdef void allow(self, Py_ssize_t table_bytes)
    cdef void forget_allowance(self)
    cdef void resize(self, Py_ssize_t table_bytes)
    cdef object slot(self, Py_ssize_t index)
    cdef long long identity(self, Py_ssize_t index)
    cdef bint may_hold(self, Py_ssize_t index) noexcept
    cdef void insert(self, object slot, Py_ssize_t size)
    cdef void insert_unnamed(self, tuple field, long long identity, Py_ssize_t size)
    cdef void _prove(self) noexcept
    cdef void _grow(self)
    cdef void _evict(self, Py_ssize_t limit)
    cdef Py_ssize_t _known_bytes(self, tuple field, long long place)
    cdef void _clear(self)
