from collector.body cimport BodyFacts

cdef class Read:
    cdef BodyFacts facts
    cdef object state
    cdef bint teaches
    cdef bytes short
    cdef readonly bytes mark
    cdef Py_ssize_t weight
    cdef str kind
    cdef str coding
    cdef str cause
    cdef str result
    cdef str nf_status
    cdef bint remote_error

cdef Py_ssize_t weight_of(Read read) except? -1
