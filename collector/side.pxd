from collector.frames cimport Splitter
from collector.halves cimport OpenHalves
from collector.hpack_window cimport Window

cdef class Side(OpenHalves):
    cdef Splitter splitter
    cdef Window window
    cdef readonly object seeker
    cdef int index
    cdef bint is_client
    cdef bint unbroken
    cdef bint strict
    cdef long long last_allowed
    cdef Py_ssize_t _max_block
    cdef Py_ssize_t _max_frame

    cdef Splitter reader(self)
    cdef int give_back(self) except -1
    cdef int drop(self) except -1
    cdef int allow_frame(self, Py_ssize_t length) except -1
    cdef int seek(self) except -1
    cdef long long begun_ns(self)
