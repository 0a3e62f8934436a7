cdef extern from *:
    """
    /* Where the plain part of a string of JSON is over: sixteen octets at a time where the processor can. */
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif

    static CYTHON_INLINE Py_ssize_t sbiscope_string_end(const unsigned char *p, Py_ssize_t at, Py_ssize_t end) {
    #ifdef __SSE2__
        const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\\\'), space = _mm_set1_epi8(' ');
        while (end - at >= 16) {
            __m128i octets = _mm_loadu_si128((const __m128i *)(p + at));
            /* As signed numbers those that are no ASCII are less than a space too. */
            __m128i over = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(octets, quote), _mm_cmpeq_epi8(octets, escape)),
                                        _mm_cmplt_epi8(octets, space));
            int found = _mm_movemask_epi8(over);
            if (found)
                return at + __builtin_ctz(found);
            at += 16;
        }
    #endif
        while (at < end && p[at] >= 32 && p[at] < 128 && p[at] != '"' && p[at] != '\\\\')
            at++;
        return at;
    }
    """
    Py_ssize_t string_end "sbiscope_string_end" (const unsigned char* p, Py_ssize_t at, Py_ssize_t end) noexcept nogil
