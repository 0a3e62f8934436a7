cdef class MemberReader:
    cdef list _nothing
    cdef bytes _names
    cdef unsigned short[::1] _begins
    cdef short[::1] _slots
    cdef readonly list calls

    cpdef list read(self, bytes text)
    cdef list _read(self, const unsigned char* p, Py_ssize_t end)
    cdef int _place(self, const unsigned char* p, Py_ssize_t begin) noexcept
    cdef bint _take(self, list found, int place, const unsigned char* p, Py_ssize_t begin, Py_ssize_t end) except -1
    cdef Py_ssize_t _value(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end) except -2
    cdef Py_ssize_t _key(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end) except -2
    cdef int _call(self, Py_ssize_t end) except -1
