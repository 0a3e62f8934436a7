from collector.hpack_window cimport Window
from collector.selection cimport Selection

cdef class Decoder:
    cdef readonly list unknown
    cdef readonly Py_ssize_t list_bytes
    cdef readonly Py_ssize_t fields
    cdef readonly Py_ssize_t cut_fields
    cdef Window window
    cdef Selection _selection
    cdef const unsigned char* _wanted
    cdef const unsigned char* _p
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end
    cdef bint _is_coded
    cdef Py_ssize_t _max_list_bytes

    cdef int clear(self) except -1
    cpdef bint decode(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end, list headers)
    cpdef int lose(self) except -1
    cpdef int forget_allowance(self) except -1
    cpdef int allow(self, Py_ssize_t table_bytes) except -1
    cdef bint _indexed(self, list headers)
    cdef bint _literal(self, int first, list headers)
    cdef bint _resize(self)
    cdef Py_ssize_t _integer(self, int mask) noexcept
    cdef Py_ssize_t _length(self) noexcept
    cdef bytes _string(self)
    cdef tuple _field(self, bytes name, bint may_be_kept)
    cdef Py_ssize_t _string_bytes(self, bint exactly) except -2
    cdef bint _unread_value(self, bint indexing, Py_ssize_t name_bytes)
    cdef int _emit(self, tuple field, list headers) except -1
    cdef int _emit_unknown(self, tuple field, long long identity, list headers) except -1

cpdef bytes shared_name(bytes name)
cpdef Decoder shared_decoder(Selection selection, Py_ssize_t max_list_bytes)
