cdef extern from *:
    """
    #define sbiscope_load64(at) __atomic_load_n((const unsigned long long *)(at), __ATOMIC_ACQUIRE)
    #define sbiscope_load32(at) __atomic_load_n((const unsigned int *)(at), __ATOMIC_ACQUIRE)
    #define sbiscope_store64(at, value) __atomic_store_n((unsigned long long *)(at), (value), __ATOMIC_RELEASE)
    """
    unsigned long long sbiscope_load64(const void *at) nogil
    unsigned int sbiscope_load32(const void *at) nogil
    void sbiscope_store64(void *at, unsigned long long value) nogil

cdef class Ring:
    cdef readonly bint is_busy
    cdef unsigned long long[::1] _consumer
    cdef const unsigned long long[::1] _producer
    cdef const unsigned char[::1] data
    cdef readonly unsigned int length
    cdef unsigned long long _position
    cdef unsigned long long _inherited_end
    cdef readonly unsigned long long size
    cdef public unsigned long long taken_bytes
    cdef unsigned long long _head_bytes
    cdef unsigned long long _length_at

    cpdef long long next(self) except? -1
    cpdef int free(self) except -1
    cdef unsigned long long _consumed(self)
    cdef unsigned long long _produced(self)
    cdef unsigned int _word(self, unsigned long long at)
