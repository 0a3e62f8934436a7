cdef extern from *:
    """
    /* A number that octets alike have alike: four lanes of xor, turn and multiply, eight octets a step. */
    #include <stdint.h>
    #include <string.h>

    #define SBISCOPE_STEP(lane, from) \\
        memcpy(&word, (from), 8); \\
        lane ^= word; \\
        lane = (lane << 29 | lane >> 35) * UINT64_C(0x9E3779B97F4A7C15);

    static CYTHON_INLINE uint64_t sbiscope_octets_number(const unsigned char *p, Py_ssize_t size) {
        uint64_t a = (uint64_t)size, b = 1, c = 2, d = 3, word;
        Py_ssize_t left = size;
        for (; left >= 32; left -= 32, p += 32) {
            SBISCOPE_STEP(a, p)
            SBISCOPE_STEP(b, p + 8)
            SBISCOPE_STEP(c, p + 16)
            SBISCOPE_STEP(d, p + 24)
        }
        for (; left >= 8; left -= 8, p += 8) {
            SBISCOPE_STEP(a, p)
        }
        while (left-- > 0)
            b = (b ^ *p++) * UINT64_C(0x9E3779B97F4A7C15);
        a = (a ^ (b << 17 | b >> 47)) * UINT64_C(0x9E3779B97F4A7C15);
        c = (c ^ (d << 17 | d >> 47)) * UINT64_C(0x9E3779B97F4A7C15);
        a ^= c ^ c >> 31;
        return (a ^ a >> 29) >> 4;
    }
    """
    unsigned long long octets_number "sbiscope_octets_number" (const unsigned char* p, Py_ssize_t size) noexcept nogil
