cdef Py_ssize_t decode(const unsigned char* p, Py_ssize_t at, Py_ssize_t end, unsigned char* out) noexcept
cdef bytes text(const unsigned char* p, Py_ssize_t at, Py_ssize_t end)
cdef Py_ssize_t length(const unsigned char* p, Py_ssize_t at, Py_ssize_t end)
