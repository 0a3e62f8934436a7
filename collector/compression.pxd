cdef extern from *:
    """
    /* BLAKE2b's compression (RFC 7693 3.2) on a machine whose words begin with their lowest octet. The order of the
       words (2.7) stands in the code, so that the sixteen of the state stay in registers as far as there are any. */
    #include <stdint.h>
    #include <string.h>

    #define SBISCOPE_TURN(word, bits) (((word) >> (bits)) | ((word) << (64 - (bits))))
    #define SBISCOPE_MIX(a, b, c, d, x, y) \\
        a += b + m[x]; d = SBISCOPE_TURN(d ^ a, 32); c += d; b = SBISCOPE_TURN(b ^ c, 24); \\
        a += b + m[y]; d = SBISCOPE_TURN(d ^ a, 16); c += d; b = SBISCOPE_TURN(b ^ c, 63);
    #define SBISCOPE_ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf) \\
        SBISCOPE_MIX(v0, v4, v8, vc, s0, s1) SBISCOPE_MIX(v1, v5, v9, vd, s2, s3) \\
        SBISCOPE_MIX(v2, v6, va, ve, s4, s5) SBISCOPE_MIX(v3, v7, vb, vf, s6, s7) \\
        SBISCOPE_MIX(v0, v5, va, vf, s8, s9) SBISCOPE_MIX(v1, v6, vb, vc, sa, sb) \\
        SBISCOPE_MIX(v2, v7, v8, vd, sc, sd) SBISCOPE_MIX(v3, v4, v9, ve, se, sf)

    static void sbiscope_compress(
        unsigned long long *h, const unsigned char *block, unsigned long long counted, int last
    ) {
        uint64_t m[16];
        uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        uint64_t v8 = 0x6A09E667F3BCC908, v9 = 0xBB67AE8584CAA73B, va = 0x3C6EF372FE94F82B, vb = 0xA54FF53A5F1D36F1;
        uint64_t vc = 0x510E527FADE682D1 ^ counted, vd = 0x9B05688C2B3E6C1F;
        uint64_t ve = last ? ~0x1F83D9ABFB41BD6BULL : 0x1F83D9ABFB41BD6BULL, vf = 0x5BE0CD19137E2179;
        memcpy(m, block, 128);
        SBISCOPE_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        SBISCOPE_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        SBISCOPE_ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
        SBISCOPE_ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
        SBISCOPE_ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
        SBISCOPE_ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
        SBISCOPE_ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
        SBISCOPE_ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
        SBISCOPE_ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
        SBISCOPE_ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
        SBISCOPE_ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        SBISCOPE_ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ va; h[3] ^= v3 ^ vb;
        h[4] ^= v4 ^ vc; h[5] ^= v5 ^ vd; h[6] ^= v6 ^ ve; h[7] ^= v7 ^ vf;
    }

    /* Four octets as eight hexadecimal digits, all eight at once. */
    static CYTHON_INLINE uint64_t sbiscope_digits(uint64_t octets) {
        uint64_t apart = (octets | octets << 16) & 0x0000FFFF0000FFFF;
        apart = (apart | apart << 8) & 0x00FF00FF00FF00FF;
        uint64_t halves = (apart >> 4 | apart << 8) & 0x0F0F0F0F0F0F0F0F;
        uint64_t letters = (halves + 0x0606060606060606) >> 4 & 0x0101010101010101;
        return halves + 0x3030303030303030 + letters * 39;
    }

    /* The first sixteen octets of a digest as text. */
    static PyObject *sbiscope_hex(const unsigned long long *h) {
        PyObject *text = PyUnicode_New(32, 127);
        int i;
        if (text == NULL)
            return NULL;
        for (i = 0; i < 4; i++) {
            uint64_t digits = sbiscope_digits(h[i >> 1] >> (32 * (i & 1)) & 0xFFFFFFFF);
            memcpy((char *)PyUnicode_DATA(text) + 8 * i, &digits, 8);
        }
        return text;
    }
    """
    void sbiscope_compress(
        unsigned long long *h, const unsigned char *block, unsigned long long counted, bint last
    ) noexcept
    str sbiscope_hex(const unsigned long long *h)
