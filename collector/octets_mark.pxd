cdef extern from *:
    """
    /* What stands for octets: see octets_mark.py. A sum of products of two words, each added to one of the key. */
    #include <stdint.h>
    #include <string.h>

    static PyObject *sbiscope_octets_mark(PyObject *octets, PyObject *key) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(octets);
        const unsigned char *k = (const unsigned char *)PyBytes_AS_STRING(key);
        Py_ssize_t size = PyBytes_GET_SIZE(octets), left = size;
        unsigned __int128 first = 0, second = 0;
        uint64_t m[2], w[4], mark[5];
        if (size + 16 > PyBytes_GET_SIZE(key)) {
            PyErr_SetString(PyExc_ValueError, "more octets than the key is for");
            return NULL;
        }
        for (; left > 0; left -= 16, p += 16, k += 16) {
            if (left >= 16) {
                memcpy(m, p, 16);
            } else {
                m[0] = m[1] = 0;
                memcpy(m, p, left);
            }
            memcpy(w, k, 32);
            first += (unsigned __int128)(m[0] + w[0]) * (m[1] + w[1]);
            second += (unsigned __int128)(m[0] + w[2]) * (m[1] + w[3]);
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
