cdef tuple met(const unsigned char* p, Py_ssize_t at, Py_ssize_t size, bint coded, bytes name)
cdef int keep(const unsigned char* p, Py_ssize_t at, Py_ssize_t size, bint coded, tuple field) except -1
cdef unsigned int _hash(const unsigned char* p, Py_ssize_t size, unsigned long long seed) noexcept
cdef bint _is_open(bytes name) except -1
