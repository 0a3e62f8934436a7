from collector.read cimport Read

cdef class MetBodies:
    cdef object _redact
    cdef list _near
    cdef dict _reads
    cdef dict _reads_before
    cdef readonly Py_ssize_t held_bytes

    cpdef Read read(self, str kind, str coding, bytes body, Py_ssize_t body_bytes)
    cdef Read _met(self, bytes mark, str kind, str coding, bytes body)
    cdef int _remember(self, Read read) except -1
