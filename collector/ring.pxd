cdef extern from *:
    """
    #define sbiscope_load64(at) __atomic_load_n((unsigned long long *)(at), __ATOMIC_ACQUIRE)
    #define sbiscope_load32(at) __atomic_load_n((unsigned int *)(at), __ATOMIC_ACQUIRE)
    #define sbiscope_store64(at, value) __atomic_store_n((unsigned long long *)(at), (value), __ATOMIC_RELEASE)
    """
    unsigned long long sbiscope_load64(const void *at) nogil
    unsigned int sbiscope_load32(const void *at) nogil
    void sbiscope_store64(void *at, unsigned long long value) nogil
