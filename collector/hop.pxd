from collector.blake2b cimport Hasher

cpdef str exchange_key(bytes client, unsigned int stream_id, str method, str path)
cpdef str event_id(bytes connection, unsigned int stream_id, bytes half)

cdef class RequestKeys:
    cdef Hasher _hasher

    cpdef bytes short(self, bytes body)
    cpdef str of(self, told, bytes stamp, bytes body, unsigned long long body_bytes)
