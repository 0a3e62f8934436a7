cdef extern from *:
    """
    /* What stands for octets: see octets_mark.py. A sum of products of two words, each added to one of the key. */
    #include <stdint.h>
    #include <string.h>

    /* The sums of sixteen octets, added to those of what stands before them. */
    static CYTHON_INLINE void sbiscope_sum(const unsigned char *p, const unsigned char *k, unsigned __int128 *first,
                                           unsigned __int128 *second) {
        uint64_t low, high, w0, w1, w2, w3;
        memcpy(&low, p, 8);
        memcpy(&high, p + 8, 8);
        memcpy(&w0, k, 8);
        memcpy(&w1, k + 8, 8);
        memcpy(&w2, k + 16, 8);
        memcpy(&w3, k + 24, 8);
        *first += (unsigned __int128)(low + w0) * (high + w1);
        *second += (unsigned __int128)(low + w2) * (high + w3);
    }

    static PyObject *sbiscope_octets_mark(PyObject *octets, PyObject *key) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(octets);
        const unsigned char *k = (const unsigned char *)PyBytes_AS_STRING(key);
        Py_ssize_t size = PyBytes_GET_SIZE(octets), left = size;
        unsigned __int128 first = 0, second = 0;
        unsigned char rest[16] = {0};
        uint64_t mark[5];
        if (size + 16 > PyBytes_GET_SIZE(key)) {
            PyErr_SetString(PyExc_ValueError, "more octets than the key is for");
            return NULL;
        }
        for (; left >= 16; left -= 16, p += 16, k += 16)
            sbiscope_sum(p, k, &first, &second);
        if (left) {
            memcpy(rest, p, left);
            sbiscope_sum(rest, k, &first, &second);
        }
        mark[0] = (uint64_t)first;
        mark[1] = (uint64_t)(first >> 64);
        mark[2] = (uint64_t)second;
        mark[3] = (uint64_t)(second >> 64);
        mark[4] = (uint64_t)size;
        return PyBytes_FromStringAndSize((const char *)mark, sizeof mark);
    }
    """
    bytes octets_mark "sbiscope_octets_mark" (bytes octets, bytes key)
