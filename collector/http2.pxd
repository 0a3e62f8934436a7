from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef class Http2:
    cdef object _loss
    cdef Exchanges _exchanges

    cpdef void feed(self, bint from_client, bytes data, long long time_ns)
    cpdef list take(self)
    cdef void _search(self, Side side, bytes data, long long time_ns)
    cdef bytes _read(self, Side side, bytes data, long long time_ns)
    cdef void _lose(self, Side side)
    cdef void _count_dropped(self, Side side)
    cdef void _pass_over(self, Side side)
    cdef void _stop(self, Side side)
    cdef Side _side(self, bint from_client)
