cdef class Cursor:
    cdef bytes octets
    cdef public Py_ssize_t at
    cdef readonly Py_ssize_t end

    cpdef long long number(self) except? -1
    cpdef str text(self)
    cpdef bytes span(self, long long size)
    cpdef Py_ssize_t branch(self, Py_ssize_t count, int step) except? -1
    cpdef long long items(self) except? -1

cdef class Plan:
    cdef readonly int kind
    cdef tuple parts
    cdef tuple symbols
    cdef readonly Py_ssize_t size
    cdef public list places
    cdef public list blank

    cpdef object read(self, Cursor cursor)
    cdef object _passed_over(self, Cursor cursor)
    cdef list _record(self, Cursor cursor)
    cdef list _array(self, Cursor cursor)
    cdef dict _map(self, Cursor cursor)
