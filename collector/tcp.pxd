from collector.connections cimport Connections

cdef class Direction:
    cdef Flow flow
    cdef bint from_client
    cdef bint known
    cdef long long initial
    cdef long long sequence
    cdef long long position
    cdef bint finished

    cdef void begin(self, long long initial) noexcept
    cdef long long ahead(self, long long sequence) noexcept

cdef class Flow:
    cdef readonly object key
    cdef long long first_packet
    cdef long long first_ns
    cdef long long touched_ns
    cdef bytes ends
    cdef Direction client
    cdef Direction server
    cdef bint opened
    cdef bint closed
    cdef bint foreign
    cdef bint from_start

cdef class Tracker:
    cdef Connections _connections
    cdef object _loss
    cdef str _digest
    cdef Py_ssize_t _max_flows
    cdef dict _directions
    cdef object _flows

    cpdef int segment(self, bytes ends, long long sequence, long long acknowledged, int flags, bytes payload, long long cut, long long time_ns, long long packet) except -1
    cdef Direction _data(self, Direction direction, bytes ends, long long sequence, bytes payload, long long cut, long long time_ns, long long packet)
    cdef int _synchronise(self, bytes ends, long long initial, long long acknowledged, int flags, long long time_ns, long long packet) except -1
    cdef Direction _join(self, bytes ends, long long time_ns, long long packet)
    cdef Flow _begin(self, bytes ends, long long time_ns, long long packet, bint from_start)
    cdef int _end(self, Direction direction, long long time_ns) except -1
    cdef int _drop(self, Flow flow, long long time_ns) except -1
    cdef int _open(self, Flow flow, long long time_ns) except -1
    cdef int _reopen(self, Flow flow, long long time_ns, long long packet) except -1

cdef bint _is_closed(Direction direction)
cdef bint _answers(Direction direction, long long initial)
