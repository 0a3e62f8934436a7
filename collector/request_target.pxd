from collector.catalogue cimport Catalogue

cdef class Matched:
    cdef readonly object match
    cdef readonly tuple said
    cdef readonly str service
    cdef readonly bint has_operation
    cdef readonly bint is_callback
    cdef readonly str producer_nf
    cdef readonly bint is_of_nrf
    cdef readonly bint is_of_management
    cdef public bytes octets

cdef class Concluded:
    cdef Matched _asked
    cdef str _place
    cdef str _target_nf
    cdef str _receiver
    cdef str _process
    cdef long long _version
    cdef readonly object producer

    cdef bint holds(
        self, Matched asked, str place, str target_nf, str receiver, str process, long long version
    ) noexcept

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
    cdef public Matched called
    cdef public Concluded concluded
    cdef public Concluded concluded_before

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
