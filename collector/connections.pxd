from collector.bytestream cimport ByteStream
from collector.connection cimport Connection

cdef class Entry:
    cdef object key
    cdef object endpoints
    cdef Connection connection
    cdef object loss
    cdef ByteStream client
    cdef ByteStream server
    cdef object verdict
    cdef bint touched
    cdef bint swapped
    cdef long long touched_ns
    cdef long long closing_ns

    cdef bint is_waiting(self) noexcept
    cdef long long open_ns(self)

cdef class Connections:
    cdef object _loss
    cdef object _traffic
    cdef object _limits
    cdef object _bounds
    cdef object _selection
    cdef object _entries
    cdef object _foreign
    cdef list _touched
    cdef dict _open
    cdef dict _waiting
    cdef long long _held_bytes

    cpdef object chunk(self, object key, bint from_client, long long position, bytes data, long long time_ns)
    cpdef list take(self)
    cdef int _touch(self, Entry entry) except -1
    cdef int _count_loss(self, Entry entry) except -1
    cdef bint _is_busy(self, Entry entry) except -1
    cdef int _judge(self, Entry entry) except -1
    cdef object _ends(self, Entry entry)
    cdef int _bound(self, Entry entry, ByteStream stream, long long more) except -1
