from collector.halves cimport Message

cdef class Stream:
    cdef unsigned int id
    cdef unsigned char state0
    cdef unsigned char state1
    cdef Message half0
    cdef Message half1
    cdef Py_ssize_t held_bytes
    cdef bint clouded
    cdef bint early

    cdef Message half(self, int side)
    cdef int state(self, int side) noexcept
    cdef int set_half(self, int side, Message message) except -1
    cdef void set_state(self, int side, int state) noexcept

cdef class Streams:
    cdef Stream _only
    cdef long long _highest
    cdef Py_ssize_t held_bytes
    cdef dict _told
    cdef dict _streams
    cdef Stream _latest
    cdef long long _known_from

    cdef Stream get(self, unsigned int stream_id)
    cdef Stream open(self, unsigned int stream_id)
    cdef int _put(self, Stream stream) except -1
    cdef int remove(self, Stream stream) except -1
    cdef bint is_over(self, unsigned int stream_id)
    cdef bint is_new(self, unsigned int stream_id) noexcept
    cdef void began(self, unsigned int stream_id) noexcept
    cdef void lose_sight(self) noexcept
    cdef void forget_order(self) noexcept
    cdef void hold(self, Stream stream, Py_ssize_t octets) noexcept
    cdef Stream oldest(self)
    cdef list all(self)
    cdef Py_ssize_t count(self)
