cdef extern from *:
    """
    /* BLAKE2b's compression (RFC 7693 3.2) on a machine whose words begin with their lowest octet. One round of code for
       all twelve: less of the processor's cache for instructions is worth more than their number. Up to four texts are
       hashed at once where the processor has AVX2: a vector holds one word of each. */
    #include <stdint.h>
    #include <string.h>

    static const unsigned char sbiscope_order[12][16] = { /* of the words, in each round (2.7) */
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    };
    #define SBISCOPE_TURN(word, bits) (((word) >> (bits)) | ((word) << (64 - (bits))))
    #define SBISCOPE_MIX(a, b, c, d, x, y) \\
        a += b + m[x]; d = SBISCOPE_TURN(d ^ a, 32); c += d; b = SBISCOPE_TURN(b ^ c, 24); \\
        a += b + m[y]; d = SBISCOPE_TURN(d ^ a, 16); c += d; b = SBISCOPE_TURN(b ^ c, 63);
    #define SBISCOPE_ROUND(MIX, s) \\
        MIX(v0, v4, v8, vc, s[0], s[1]) MIX(v1, v5, v9, vd, s[2], s[3]) \\
        MIX(v2, v6, va, ve, s[4], s[5]) MIX(v3, v7, vb, vf, s[6], s[7]) \\
        MIX(v0, v5, va, vf, s[8], s[9]) MIX(v1, v6, vb, vc, s[10], s[11]) \\
        MIX(v2, v7, v8, vd, s[12], s[13]) MIX(v3, v4, v9, ve, s[14], s[15])

    static void sbiscope_compress(
        unsigned long long *h, const unsigned char *block, unsigned long long counted, int last
    ) {
        uint64_t m[16];
        uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        uint64_t v8 = 0x6A09E667F3BCC908, v9 = 0xBB67AE8584CAA73B, va = 0x3C6EF372FE94F82B, vb = 0xA54FF53A5F1D36F1;
        uint64_t vc = 0x510E527FADE682D1 ^ counted, vd = 0x9B05688C2B3E6C1F;
        uint64_t ve = last ? ~0x1F83D9ABFB41BD6BULL : 0x1F83D9ABFB41BD6BULL, vf = 0x5BE0CD19137E2179;
        int i;
        memcpy(m, block, 128);
        for (i = 0; i < 12; i++) {
            SBISCOPE_ROUND(SBISCOPE_MIX, sbiscope_order[i])
        }
        h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ va; h[3] ^= v3 ^ vb;
        h[4] ^= v4 ^ vc; h[5] ^= v5 ^ vd; h[6] ^= v6 ^ ve; h[7] ^= v7 ^ vf;
    }

    /* A text of those that are hashed together: behind its octets is room for zeros. left: -1 = it is over. */
    typedef struct {
        unsigned long long h[8], counted;
        unsigned char *octets;
        Py_ssize_t left;
    } sbiscope_lane;
    static sbiscope_lane sbiscope_lanes[4];

    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    #define SBISCOPE_MIX4(a, b, c, d, x, y) \\
        a = _mm256_add_epi64(_mm256_add_epi64(a, b), m[x]); d = _mm256_shuffle_epi32(_mm256_xor_si256(d, a), 0xB1); \\
        c = _mm256_add_epi64(c, d); b = _mm256_shuffle_epi8(_mm256_xor_si256(b, c), by24); \\
        a = _mm256_add_epi64(_mm256_add_epi64(a, b), m[y]); d = _mm256_shuffle_epi8(_mm256_xor_si256(d, a), by16); \\
        c = _mm256_add_epi64(c, d); b = _mm256_xor_si256(b, c); \\
        b = _mm256_or_si256(_mm256_add_epi64(b, b), _mm256_srli_epi64(b, 63));
    #define SBISCOPE_ACROSS(into, a, b, c, d) { /* four words of four lanes, or back */ \\
        __m256i t0 = _mm256_unpacklo_epi64(a, b), t1 = _mm256_unpackhi_epi64(a, b); \\
        __m256i t2 = _mm256_unpacklo_epi64(c, d), t3 = _mm256_unpackhi_epi64(c, d); \\
        (into)[0] = _mm256_permute2x128_si256(t0, t2, 0x20); (into)[1] = _mm256_permute2x128_si256(t1, t3, 0x20); \\
        (into)[2] = _mm256_permute2x128_si256(t0, t2, 0x31); (into)[3] = _mm256_permute2x128_si256(t1, t3, 0x31); }
    #define SBISCOPE_AT(p) _mm256_loadu_si256((const __m256i *)(p))
    #define SBISCOPE_EACH(word) _mm256_set1_epi64x((long long)(word))

    __attribute__((target("avx2"))) static void sbiscope_compress4(sbiscope_lane *const *of) {
        const __m256i by24 = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
                                              3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
        const __m256i by16 = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
                                              2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
        __m256i m[16], h[8], out[4];
        unsigned long long counted[4], last[4];
        int i;
        for (i = 0; i < 4; i++) {
            counted[i] = of[i]->counted + (of[i]->left < 128 ? of[i]->left : 128);
            last[i] = of[i]->left <= 128 ? ~0ULL : 0;
        }
        for (i = 0; i < 4; i++)
            SBISCOPE_ACROSS(m + 4 * i, SBISCOPE_AT(of[0]->octets + 32 * i), SBISCOPE_AT(of[1]->octets + 32 * i),
                            SBISCOPE_AT(of[2]->octets + 32 * i), SBISCOPE_AT(of[3]->octets + 32 * i))
        for (i = 0; i < 2; i++)
            SBISCOPE_ACROSS(h + 4 * i, SBISCOPE_AT(of[0]->h + 4 * i), SBISCOPE_AT(of[1]->h + 4 * i),
                            SBISCOPE_AT(of[2]->h + 4 * i), SBISCOPE_AT(of[3]->h + 4 * i))
        __m256i v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        __m256i v8 = SBISCOPE_EACH(0x6A09E667F3BCC908), v9 = SBISCOPE_EACH(0xBB67AE8584CAA73B);
        __m256i va = SBISCOPE_EACH(0x3C6EF372FE94F82B), vb = SBISCOPE_EACH(0xA54FF53A5F1D36F1);
        __m256i vc = _mm256_xor_si256(SBISCOPE_EACH(0x510E527FADE682D1), SBISCOPE_AT(counted));
        __m256i vd = SBISCOPE_EACH(0x9B05688C2B3E6C1F);
        __m256i ve = _mm256_xor_si256(SBISCOPE_EACH(0x1F83D9ABFB41BD6B), SBISCOPE_AT(last));
        __m256i vf = SBISCOPE_EACH(0x5BE0CD19137E2179);
        for (i = 0; i < 12; i++) {
            SBISCOPE_ROUND(SBISCOPE_MIX4, sbiscope_order[i])
        }
        h[0] = _mm256_xor_si256(h[0], _mm256_xor_si256(v0, v8)); h[1] = _mm256_xor_si256(h[1], _mm256_xor_si256(v1, v9));
        h[2] = _mm256_xor_si256(h[2], _mm256_xor_si256(v2, va)); h[3] = _mm256_xor_si256(h[3], _mm256_xor_si256(v3, vb));
        h[4] = _mm256_xor_si256(h[4], _mm256_xor_si256(v4, vc)); h[5] = _mm256_xor_si256(h[5], _mm256_xor_si256(v5, vd));
        h[6] = _mm256_xor_si256(h[6], _mm256_xor_si256(v6, ve)); h[7] = _mm256_xor_si256(h[7], _mm256_xor_si256(v7, vf));
        for (i = 0; i < 8; i += 4) {
            int lane;
            SBISCOPE_ACROSS(out, h[i], h[i + 1], h[i + 2], h[i + 3])
            for (lane = 0; lane < 4; lane++)
                _mm256_storeu_si256((__m256i *)(of[lane]->h + i), out[lane]);
        }
    }

    static int sbiscope_has_lanes(void) {
        static int has = -1;
        if (has < 0) {
            __builtin_cpu_init();
            has = __builtin_cpu_supports("avx2") != 0;
        }
        return has;
    }
    #else
    #define sbiscope_has_lanes() 0
    #define sbiscope_compress4(of) ((void)(of))
    #endif

    /* Hash what is left of the first `count` texts. */
    static void sbiscope_finish(int count) {
        static sbiscope_lane idle;
        for (;;) {
            sbiscope_lane *of[4] = {&idle, &idle, &idle, &idle};
            int at, going = 0;
            for (at = 0; at < count; at++) {
                sbiscope_lane *lane = sbiscope_lanes + at;
                if (lane->left < 0)
                    continue;
                if (lane->left < 128)
                    memset(lane->octets + lane->left, 0, 128 - lane->left);
                of[going++] = lane;
            }
            if (going == 0)
                return;
            if (going > 1 && sbiscope_has_lanes()) {
                idle.octets = of[0]->octets;
                sbiscope_compress4(of);
            } else
                for (at = 0; at < going; at++)
                    sbiscope_compress(of[at]->h, of[at]->octets, of[at]->counted + (of[at]->left < 128 ? of[at]->left : 128),
                                      of[at]->left <= 128);
            for (at = 0; at < going; at++) {
                of[at]->left = of[at]->left <= 128 ? -1 : of[at]->left - 128;
                of[at]->octets += 128;
                of[at]->counted += 128;
            }
        }
    }

    /* Sixteen octets as 32 hexadecimal digits. */
    #if defined(__x86_64__) && defined(__GNUC__)
    static CYTHON_INLINE __m128i sbiscope_digits(__m128i halves) {
        const __m128i letters = _mm_cmpgt_epi8(halves, _mm_set1_epi8(9));
        return _mm_add_epi8(_mm_add_epi8(halves, _mm_set1_epi8('0')), _mm_and_si128(letters, _mm_set1_epi8(39)));
    }

    static CYTHON_INLINE void sbiscope_hex_of(const void *octets, char *text) {
        const __m128i fours = _mm_set1_epi8(15), both = _mm_loadu_si128((const __m128i *)octets);
        const __m128i high = _mm_and_si128(_mm_srli_epi16(both, 4), fours), low = _mm_and_si128(both, fours);
        _mm_storeu_si128((__m128i *)text, sbiscope_digits(_mm_unpacklo_epi8(high, low)));
        _mm_storeu_si128((__m128i *)text + 1, sbiscope_digits(_mm_unpackhi_epi8(high, low)));
    }
    #else
    static void sbiscope_hex_of(const void *octets, char *text) {
        int i;
        for (i = 0; i < 16; i++) {
            text[2 * i] = "0123456789abcdef"[((const unsigned char *)octets)[i] >> 4];
            text[2 * i + 1] = "0123456789abcdef"[((const unsigned char *)octets)[i] & 15];
        }
    }
    #endif

    /* The first sixteen octets of each digest of the first `count` texts in hexadecimal digits. */
    static PyObject *sbiscope_hexes(int count) {
        PyObject *digits = PyBytes_FromStringAndSize(NULL, 32 * count);
        int lane;
        for (lane = 0; digits != NULL && lane < count; lane++)
            sbiscope_hex_of(sbiscope_lanes[lane].h, PyBytes_AS_STRING(digits) + 32 * lane);
        return digits;
    }
    """
    void sbiscope_compress(
        unsigned long long *h, const unsigned char *block, unsigned long long counted, bint last
    ) noexcept
    ctypedef struct sbiscope_lane:
        unsigned long long *h
        unsigned long long counted
        unsigned char *octets
        Py_ssize_t left
    sbiscope_lane *sbiscope_lanes
    void sbiscope_finish(int count) noexcept
    bytes sbiscope_hexes(int count)
