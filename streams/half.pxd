cdef class Offsets:
    cdef int[::1] at

cdef class Half:
    cdef readonly Layout layout
    cdef public bytes octets
    cdef readonly bytes key
    cdef readonly bint is_request
    cdef readonly long long first_byte_us
    cdef readonly long long last_byte_us
    cdef readonly int ended
    cdef readonly bint has_headers
    cdef readonly int status
    cdef readonly int max_rsp_time_ms
    cdef public object collector
    cdef public bint doubtful
    cdef public int outcome

cdef class Layout:
    cdef readonly object schema
    cdef readonly tuple names
    cdef readonly dict places
    cdef public bytes plan
    cdef readonly int sbi_headers
    cdef bytes _kinds
    cdef bytes _texts
    cdef tuple _sizes
    cdef Py_ssize_t _count
    cdef bytes _bounds
    cdef object _header
    cdef int _half, _connection_id, _stream_id, _first_byte_us, _last_byte_us, _ended, _header_bytes, _status, _max_rsp_time_ms

    cdef Py_ssize_t locate(self, bytes octets, Py_ssize_t at, Offsets offsets) except? -1
    cdef object _prove_texts(self, const unsigned char* p, Offsets o)
    cdef Half _half_of(self, bytes body, Py_ssize_t begin, Py_ssize_t end)
    cpdef Half half(self, bytes octets)

cpdef str text_of(Half half, str name)
