cdef int milliseconds_of(const unsigned char* p, Py_ssize_t size) noexcept
cdef bint begins_with(const unsigned char* p, bytes date) noexcept
