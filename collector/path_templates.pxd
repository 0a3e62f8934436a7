cdef class Place:
    cdef readonly int service
    cdef readonly Py_ssize_t api_at
    cdef readonly Py_ssize_t version_at
    cdef readonly Py_ssize_t version_end
    cdef readonly Py_ssize_t end
    cdef readonly int major
    cdef readonly bint is_known
    cdef readonly unsigned int state

cdef class PathTemplates:
    cdef readonly list found
    cdef unsigned short[::1] _roots
    cdef unsigned char[::1] _known
    cdef short[::1] _services
    cdef unsigned short[::1] _others
    cdef bytes _octets
    cdef unsigned int[::1] _begins
    cdef unsigned int[::1] _hashes
    cdef unsigned short[::1] _words
    cdef unsigned int _words_mask
    cdef unsigned int[::1] _froms
    cdef unsigned short[::1] _tos
    cdef unsigned int _steps_mask

    cdef int _keep_words(self, words) except -1
    cdef int _keep_steps(self, steps) except -1
    cpdef Place walk(self, bytes path)
    cdef Place _walk(self, const unsigned char* p, Py_ssize_t size)
    cdef unsigned int _reached(self, const unsigned char* p, Py_ssize_t at, Py_ssize_t end, unsigned int state) noexcept
    cdef unsigned int _step(self, unsigned int state, unsigned int word) noexcept
    cdef unsigned int _word(self, const unsigned char* p, Py_ssize_t begin, Py_ssize_t end, unsigned int h, bint any_case) noexcept
    cdef bint _is_word(self, unsigned int number, const unsigned char* p, Py_ssize_t begin, Py_ssize_t end, bint any_case) noexcept
