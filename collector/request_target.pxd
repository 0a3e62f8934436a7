from collector.catalogue cimport Catalogue

cdef class Matched:
    cdef readonly object match
    cdef readonly tuple said
    cdef readonly str service
    cdef readonly bint has_operation
    cdef readonly bint is_callback
    cdef readonly str producer_nf
    cdef readonly bint is_of_nrf

cdef class RequestTarget:
    cdef readonly str plain
    cdef readonly str text
    cdef readonly str tail
    cdef str _path
    cdef tuple _segments
    cdef str _instance
    cdef readonly str requester
    cdef readonly bint is_kept
    cdef readonly dict matches
    cdef public Matched asked
    cdef public str place
    cdef public str target_nf
    cdef public str receiver
    cdef public str process
    cdef public long long version
    cdef public object producer

    cpdef str path(self)
    cpdef str instance(self)
    cpdef tuple segments(self)

cdef class RequestTargets:
    cdef Catalogue _catalogue
    cdef object _callbacks
    cdef object _redaction
    cdef readonly dict _kept
    cdef readonly Py_ssize_t held_bytes

    cpdef RequestTarget of(self, bytes path)
    cdef int _make_room(self, Py_ssize_t weight) except -1
    cdef str _tail(self, str plain)
    cpdef Matched match(self, RequestTarget target, str method)
