from collector.identifiers cimport Identifiers

cdef class Resource:
    cdef Identifiers own
    cdef bint is_long
    cdef str path
    cdef tuple above
    cdef str standing
