from collector.connection cimport Connection

cdef class ByteStream:
    cdef readonly long long next_position
    cdef readonly Py_ssize_t held_bytes
    cdef object _sink
    cdef Connection _connection
    cdef bint _from_client
    cdef bint _begin_known
    cdef long long _first_position
    cdef long long _last_ns
    cdef list _held
    cdef long long _order
    cdef object _loss
    cdef object _traffic
    cdef bint _repeats_are_races

    cpdef int chunk(self, long long position, bytes data, long long time_ns) except -1
    cpdef int missing(self, long long position, long long length, long long time_ns) except -1
    cpdef int give_up(self) except -1
    cpdef long long oldest_held_ns(self) except? -1
    cdef int _place(self, long long position, long long length, bytes data, long long time_ns) except -1
    cdef int _hold(self, long long position, long long length, bytes data, long long time_ns) except -1
    cdef int _deliver(self, long long position, long long length, bytes data, long long time_ns) except -1
    cdef int _repeat(self, long long length, long long time_ns) except -1
    cdef int _drain(self) except -1
    cdef int _feed(self, bytes data) except -1
