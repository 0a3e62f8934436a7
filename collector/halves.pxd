cdef long long NEVER

cdef class Message:
    cdef public object half
    cdef public unsigned int stream_id
    cdef public list headers
    cdef public list trailers
    cdef public object header_state
    cdef public tuple missing
    cdef public tuple inferred
    cdef public tuple unknown
    cdef public Py_ssize_t header_bytes
    cdef public bytes body
    cdef public Py_ssize_t body_bytes
    cdef public long long first_byte_ns
    cdef public long long headers_ns
    cdef public long long last_byte_ns
    cdef public object ended
    cdef public str http_version
    cdef public Message request
    cdef public object about
    cdef Message _bodiless
    cdef bytearray _more
    cdef bint _holed
    cdef bint _linked
    cdef Py_ssize_t _held_bytes
    cdef Py_ssize_t _list_bytes
    cdef Message _older
    cdef Message _newer

    cdef int _begin(self, object half, unsigned int stream_id, long long time_ns, str http_version) except -1
    cpdef int add_body(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t size, Py_ssize_t room) except -1
    cpdef int finish(self, object ended, long long time_ns) except -1
    cpdef Message without_body(self)
    cpdef int note(self, about) except -1

cdef Message new_message(object half, unsigned int stream_id, long long time_ns, list headers)

cdef class OpenHalves:
    cdef Message _oldest
    cdef Message _newest
    cdef int add(self, Message message) except -1
    cdef int remove(self, Message message) except -1
    cdef Message first(self)
    cdef long long oldest_ns(self) noexcept
