cdef bint is_text(const unsigned char* p, Py_ssize_t at, Py_ssize_t end, int kind) noexcept
