cdef list[bytes] strings(bytes octets, Py_ssize_t at)
