from collector.http2 cimport Http2

cdef class Connection:
    cdef readonly object protocol
    cdef Http2 _http2
    cdef object _http1
    cdef bytes _preface
    cdef bint _turned
    cdef bint _from_start
    cdef list _held
    cdef Py_ssize_t _held_bytes
    cdef Py_ssize_t _judged_bytes
    cdef readonly object counters
    cdef readonly object traffic
    cdef object _limits
    cdef object _selection

    cpdef int feed(self, bint from_client, bytes data, long long time_ns) except -1
    cpdef list take(self)
    cdef long long open_ns(self)
