cdef Py_ssize_t MAX_FRAME

cdef int NEED
cdef int BLOCK
cdef int DATA_PIECE
cdef int CONTROL
cdef int LOST_BLOCK
cdef int BROKEN

cdef int FAULT_ORPHAN
cdef int FAULT_TOO_LARGE
cdef int FAULT_GAP
cdef int FAULT_MALFORMED

cdef int DATA
cdef int HEADERS
cdef int PRIORITY
cdef int RST_STREAM
cdef int SETTINGS
cdef int PUSH_PROMISE
cdef int PING
cdef int GOAWAY
cdef int WINDOW_UPDATE
cdef int CONTINUATION

cdef int END_STREAM
cdef int ACK
cdef int END_HEADERS
cdef int PADDED
cdef int PRIORITY_FLAG

cpdef bint is_legal(int kind, int flags, Py_ssize_t length, unsigned int stream) noexcept

cdef class Splitter:
    cdef const unsigned char* p
    cdef Py_ssize_t at
    cdef Py_ssize_t size
    cdef int kind
    cdef int fault
    cdef int flags
    cdef unsigned int stream
    cdef unsigned int promised
    cdef bint done
    cdef readonly long long frame_ns
    cdef long long block_ns
    cdef Py_ssize_t block_bytes
    cdef Py_ssize_t max_block
    cdef Py_ssize_t max_frame
    cdef bint strict
    cdef const unsigned char* _p
    cdef bytes _data
    cdef Py_ssize_t _at
    cdef Py_ssize_t _end
    cdef long long _time_ns
    cdef bytearray _carry
    cdef Py_ssize_t _need
    cdef bytes _frame
    cdef Py_ssize_t _left
    cdef Py_ssize_t _padding
    cdef bytearray _block
    cdef bint _in_block
    cdef bint _skip_block
    cdef unsigned int _block_stream
    cdef int _block_kind
    cdef int _block_flags
    cdef unsigned int _block_promised

    cdef int push(self, bytes data, long long time_ns) except -1
    cdef int next(self) except -1
    cdef int gap(self, Py_ssize_t length) except -1
    cdef bint is_partial(self) noexcept
    cdef long long partial_ns(self) noexcept
    cdef bytes rest(self)
    cdef int reset(self) except -1
    cdef int _payload(self) except -1
    cdef Py_ssize_t _whole(self, const unsigned char* q, Py_ssize_t at) noexcept
    cdef int _dispatch(self, const unsigned char* q, Py_ssize_t at) except -1
    cdef int _begin_block(self, const unsigned char* q, Py_ssize_t at) except -1
    cdef int _continue_block(self, const unsigned char* q, Py_ssize_t at) except -1
    cdef int _end_block(self) except -1
    cdef int _carried(self) except -1
    cdef int _lost_block(self) except -1
    cdef bint release(self) noexcept
