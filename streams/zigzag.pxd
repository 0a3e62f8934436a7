cdef long long number(const unsigned char* p, Py_ssize_t at) noexcept
cdef Py_ssize_t behind(const unsigned char* p, Py_ssize_t at) noexcept
