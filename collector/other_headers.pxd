cdef class Other:
    cdef readonly bint is_secret
    cdef readonly bint is_read
    cdef readonly bint names_subject
    cdef readonly bint is_held
    cdef readonly str name
    cdef readonly dict values

cdef class OtherHeaders:
    cdef object _redact
    cdef object _redact_header
    cdef readonly dict _named
    cdef readonly Py_ssize_t held_bytes
    cpdef tuple of(self, bytes name, bytes value)
    cdef Other _met(self, bytes name)
    cdef bint _has_room(self, Py_ssize_t weight) except -1
    cdef Other _last
    cdef readonly bytes _last_value
    cdef tuple _last_shown
    cdef tuple _shown_now(self, Other other, bytes value)
    cdef tuple _shown(self, Other other, bytes value)
