cdef class Inventory:
    cdef Py_ssize_t _most
    cdef Py_ssize_t _most_bytes
    cdef dict _known
    cdef dict _authorities
    cdef dict _hosts
    cdef readonly long long version
    cdef readonly Py_ssize_t evicted
    cdef readonly Py_ssize_t held_bytes

    cpdef int learn(self, profiles, long long heard_us) except -1
    cpdef int heartbeat(self, str instance_id, str status, long long heard_us) except -1
    cpdef str type_of(self, str instance_id)
