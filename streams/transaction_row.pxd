cdef class Row:
    cdef readonly bytes octets
    cdef readonly bytes cell
    cdef readonly bytes spread
    cdef readonly int outcome
    cdef readonly bint has_request
    cdef readonly bint answered
    cdef readonly bint has_duration
    cdef readonly bint retransmission
    cdef readonly long long request_us
    cdef readonly long long over_us
    cdef readonly long long response_us
    cdef readonly long long duration_us
    cdef readonly long long header_bytes
    cdef readonly long long request_body_bytes
    cdef readonly long long response_body_bytes
    cdef readonly int status
    cdef readonly bytes cause
    cdef readonly int token
    cdef readonly int overload
    cdef readonly int consumer_overload
