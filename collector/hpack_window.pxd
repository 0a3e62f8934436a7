from cpython.object cimport PyObject

cdef Py_ssize_t ENTRY_OVERHEAD
cdef Py_ssize_t MAX_INDEX

cdef class Window:
    cdef list _ring
    cdef PyObject **_items
    cdef Py_ssize_t _mask
    cdef long long head
    cdef Py_ssize_t count
    cdef Py_ssize_t bytes
    cdef Py_ssize_t _bound
    cdef bint whole
    cdef bint _bound_proved
    cdef dict _name_identities
    cdef long long origin
    cdef Py_ssize_t _max_bound
    cdef Py_ssize_t _peer_bound

    cdef int begin(self) except -1
    cdef bint is_synchronised(self)
    cdef int lose(self) except -1
    cdef int allow(self, Py_ssize_t table_bytes) except -1
    cdef int forget_allowance(self) except -1
    cdef int resize(self, Py_ssize_t table_bytes) except -1
    cdef const void *_leaving[3]
    cdef void fetch_ahead(self) noexcept
    cdef void note_leaving(self) noexcept
    cdef object slot(self, Py_ssize_t index)
    cdef long long identity(self, Py_ssize_t index)
    cdef bint may_hold(self, Py_ssize_t index) noexcept
    cdef int insert(self, object slot, Py_ssize_t size) except -1
    cdef int insert_unnamed(self, tuple field, long long identity, Py_ssize_t size) except -1
    cdef void _prove(self) noexcept
    cdef int _grow(self) except -1
    cdef int _evict(self, Py_ssize_t limit) except -1
    cdef Py_ssize_t _known_bytes(self, tuple field, long long place)
    cdef int _hold(self, list ring) except -1
    cdef int _put(self, Py_ssize_t place, object slot) except -1
    cdef int _clear(self) except -1
