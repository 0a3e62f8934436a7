from collector.identifiers cimport Identifiers

cdef class BodyFacts:
    cdef readonly object state
    cdef readonly Identifiers identifiers
    cdef readonly str cause
    cdef readonly str result
    cdef readonly bint failed
    cdef readonly bint remote_error
    cdef readonly tuple callbacks
    cdef readonly tuple references
    cdef readonly tuple profiles
    cdef readonly tuple patched
    cdef readonly str unreadable

cpdef BodyFacts read_body(str content_type, str content_encoding, bytes prefix, Py_ssize_t body_bytes)
cpdef object json_text(str content_type, str content_encoding, bytes prefix, Py_ssize_t body_bytes)
