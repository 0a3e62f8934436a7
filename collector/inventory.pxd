cdef class Inventory:
    cdef Py_ssize_t _most
    cdef dict _known
    cdef dict _authorities
    cdef dict _hosts
    cdef readonly long long version
    cdef readonly Py_ssize_t evicted

    cpdef int learn(self, profiles, long long heard_us) except -1
    cpdef int heartbeat(self, str instance_id, str status, long long heard_us) except -1
    cpdef str type_of(self, str instance_id)
