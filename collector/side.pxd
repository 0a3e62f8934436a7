from collector.frames cimport Splitter
from collector.halves cimport OpenHalves
from collector.hpack cimport Decoder

cdef class Side:
    cdef int index
    cdef bint is_client
    cdef bint unbroken
    cdef readonly Splitter splitter
    cdef readonly Decoder decoder
    cdef readonly object seeker
    cdef OpenHalves open
    cdef long long last_allowed

    cdef int seek(self) except -1
    cdef long long oldest_ns(self)
