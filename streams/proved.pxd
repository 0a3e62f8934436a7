cdef Py_ssize_t behind(const unsigned char* p, Py_ssize_t at) noexcept
cdef list[bytes] strings(bytes octets, Py_ssize_t at)
