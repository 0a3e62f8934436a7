cdef class Entry:
    cdef object value
    cdef long long used_us

cdef class Recent:
    cdef Py_ssize_t _most
    cdef long long _kept_us
    cdef dict _entries
    cdef long long _since_us
    cdef readonly Py_ssize_t evicted

    cpdef object get(self, key, long long now_us)
    cpdef int put(self, key, value, long long now_us) except -1
    cdef int _drop(self, long long now_us) except -1
    cpdef object pop(self, key)
