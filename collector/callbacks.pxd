from collector.recent cimport Recent

cdef class Callbacks:
    cdef dict _by_value
    cdef dict _by_parent
    cdef dict _by_key
    cdef dict _shapes
    cdef Recent _learned
    cdef dict _headers
    cdef dict _matches

    cpdef int learn(self, parent, str method, callbacks, str receiver, long long now_us) except -1
    cpdef tuple learned(self, str authority, str path, tuple segments, str method, long long now_us)
