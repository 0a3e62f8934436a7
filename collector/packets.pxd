from collector.tcp cimport Tracker

cdef class Packets:
    cdef readonly long long count
    cdef object _loss
    cdef object _segment
    cdef Tracker _tracker
    cdef list _met

    cpdef int packet(self, int link, long long time_ns, bytes data, Py_ssize_t at, Py_ssize_t captured, Py_ssize_t original) except -1
    cdef int _ipv4(self, const unsigned char* p, Py_ssize_t ip, Py_ssize_t end, Py_ssize_t wire_end, long long time_ns) except -1
    cdef int _ipv6(self, const unsigned char* p, Py_ssize_t ip, Py_ssize_t end, Py_ssize_t wire_end, long long time_ns) except -1
    cdef int _tcp(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end, Py_ssize_t wire_end, bytes ends, long long time_ns) except -1
    cdef bytes _ends(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t size)
    cdef int _unreadable(self, Py_ssize_t end, Py_ssize_t wire_end) except -1
