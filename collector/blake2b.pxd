cdef class Hasher:
    cdef bytes _key
    cdef bytearray _store
    cdef unsigned char* _bytes
    cdef Py_ssize_t _front
    cdef Py_ssize_t _length
    cdef Py_ssize_t _room
    cdef unsigned long long[8] _keyed

    cdef int _grow(self, Py_ssize_t wanted) except -1
    cpdef int octets(self, bytes value) except -1
    cpdef int text(self, str value) except -1
    cpdef int number(self, unsigned long long value) except -1
    cdef inline int _put(self, const char *octets, Py_ssize_t n) except -1
    cpdef bytes hex(self)
    cdef void _enter(self, int lane) noexcept

cdef bytes hexes(Hasher first, Hasher second, Hasher third, Hasher fourth)
