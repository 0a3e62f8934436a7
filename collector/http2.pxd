from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef class Http2:
    cdef object _loss
    cdef Exchanges _exchanges

    cpdef int feed(self, bint from_client, bytes data, long long time_ns) except -1
    cpdef list take(self)
    cdef long long open_ns(self)
    cdef int _search(self, Side side, bytes data, long long time_ns) except -1
    cdef bytes _read(self, Side side, bytes data, long long time_ns)
    cdef int _lose(self, Side side) except -1
    cdef int _count_dropped(self, Side side) except -1
    cdef int _pass_over(self, Side side) except -1
    cdef int _stop(self, Side side) except -1
    cdef Side _side(self, bint from_client)
