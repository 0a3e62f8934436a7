from collector.hpack cimport Decoder

cpdef int frame_bits(int kind, int flags, Py_ssize_t length, unsigned int stream) noexcept
cdef bint opens_block(int kind, int flags) noexcept
cdef int judge_block(bytes payload, int flags, Decoder decoder) except? -2
