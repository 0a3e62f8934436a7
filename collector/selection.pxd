cdef class Selection:
    cdef readonly object names
    cdef readonly bytes prefix
    cdef readonly bytes static
    cpdef bint wants(self, bytes name)
