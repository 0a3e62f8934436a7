cdef class Scratch:
    cdef bytearray store
    cdef unsigned char* p
    cdef Py_ssize_t n

    cdef int reserve(self, Py_ssize_t room) except? -1
    cdef int number(self, long long value) except? -1
    cdef int copy(self, bytes octets, Py_ssize_t begin, Py_ssize_t end) except? -1
    cdef bytes since(self, Py_ssize_t begin)
