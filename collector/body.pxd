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
