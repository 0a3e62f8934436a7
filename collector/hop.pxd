from collector.blake2b cimport Hasher

cdef class Keys:
    cdef Hasher _asked
    cdef Hasher _answered
    cdef Hasher _exchange
    cdef Hasher _request

    cpdef bytes short(self, bytes body)
    cpdef int carried(
        self, str method, str target, str agent, str correlation, str receiver, bytes stamp, bytes body,
        unsigned long long body_bytes
    ) except -1
    cpdef bytes of(self, bytes connection, bytes client, unsigned int stream_id, str method, str path, bint is_carried)
