from collector.halves cimport Message
from collector.hpack cimport Decoder
from collector.side cimport Side
from collector.stream cimport Stream, Streams

cdef class Exchanges:
    cdef Side side0
    cdef Side side1
    cdef Streams streams
    cdef list _done
    cdef Decoder decoder
    cdef long long now
    cdef public bint roles_proved
    cdef readonly bint swapped
    cdef Py_ssize_t body_bytes
    cdef Py_ssize_t max_open_bytes
    cdef Py_ssize_t _max_streams
    cdef Py_ssize_t _done_bytes
    cdef object loss
    cdef object traffic
    cdef object _limits

    cdef Side other(self, Side side)
    cdef Stream stream(self, unsigned int stream_id)
    cdef Stream open(self, unsigned int stream_id)
    cdef int make_room(self) except -1
    cdef bint _is_open(self, Message message) noexcept
    cdef int _end_begun(self, Stream stream, object ended) except -1
    cdef Message begin(self, Side side, Stream stream, long long time_ns, list headers, bint stays_open)
    cdef Message begin_unseen(self, Side side, Stream stream, long long time_ns)
    cdef int relieve(self) except -1
    cdef int finish(self, Side side, Stream stream, Message message, object ended) except -1
    cdef int settle(self, Side side, Stream stream) except -1
    cdef int end_half(self, Side side, Stream stream, object ended) except -1
    cdef int end_stream(self, Stream stream, object ended) except -1
    cdef int malformed(self, Side side, Stream stream) except -1
    cdef int end_gap(self, Side side) except -1
    cdef int cloud(self, Side side) except -1
    cdef int end_all(self, object ended) except -1
    cdef int evict_all(self) except -1
    cdef int expire(self, Side side, long long before_ns) except -1
    cdef int swap(self) except -1
    cdef list take(self)
    cdef long long oldest_done_ns(self)
