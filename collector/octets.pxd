cdef extern from *:
    """
    /* A sheet on which one record is written in Avro's binary encoding, kept for the next one. */
    #include <string.h>

    #if defined(__GNUC__)
    #define SBISCOPE_APART __attribute__((noinline, unused))
    #else
    #define SBISCOPE_APART
    #endif
    #define SBISCOPE_WIDEST 11 /* octets of a union's branch and a long */

    static unsigned char *sbiscope_sheet = NULL, *sbiscope_end = NULL, *sbiscope_at = NULL;

    SBISCOPE_APART static int sbiscope_more(Py_ssize_t octets) {
        Py_ssize_t used = sbiscope_at - sbiscope_sheet, room = 2 * (sbiscope_end - sbiscope_sheet) + octets + 4096;
        unsigned char *sheet = (unsigned char *)PyMem_Realloc(sbiscope_sheet, room);
        if (sheet == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        sbiscope_sheet = sheet;
        sbiscope_end = sheet + room;
        sbiscope_at = sheet + used;
        return 0;
    }

    static CYTHON_INLINE int sbiscope_need(Py_ssize_t octets) {
        return sbiscope_end - sbiscope_at < octets ? sbiscope_more(octets) : 0;
    }

    /* For these three there must be room; where a sheet is written stays in a register while they write. */
    static CYTHON_INLINE unsigned char *sbiscope_varint(unsigned char *at, long long value) {
        unsigned long long zigzag = ((unsigned long long)value << 1) ^ (unsigned long long)(value >> 63);
        while (zigzag > 127) {
            *at++ = (unsigned char)(zigzag | 128);
            zigzag >>= 7;
        }
        *at++ = (unsigned char)zigzag;
        return at;
    }

    static CYTHON_INLINE unsigned char *sbiscope_octet(unsigned char *at, int value) {
        *at = (unsigned char)value;
        return at + 1;
    }

    static CYTHON_INLINE unsigned char *sbiscope_raw(unsigned char *at, const void *from, Py_ssize_t length) {
        memcpy(at, from, length);
        return at + length;
    }

    static CYTHON_INLINE int sbiscope_long(long long value) {
        if (sbiscope_need(SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_at = sbiscope_varint(sbiscope_at, value);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_again(PyObject *octets) {
        if (sbiscope_need(PyBytes_GET_SIZE(octets)) < 0)
            return -1;
        sbiscope_at = sbiscope_raw(sbiscope_at, PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
        return 0;
    }

    /* Most of what may be null is: that alone is written where it is asked for. */
    static CYTHON_INLINE int sbiscope_null(void) {
        if (sbiscope_need(1) < 0)
            return -1;
        sbiscope_at = sbiscope_octet(sbiscope_at, 0);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_or_octets(PyObject *octets) {
        Py_ssize_t length;
        if (octets == Py_None)
            return sbiscope_null();
        length = PyBytes_GET_SIZE(octets);
        if (sbiscope_need(length + SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_at = sbiscope_varint(sbiscope_octet(sbiscope_at, 2), length);
        sbiscope_at = sbiscope_raw(sbiscope_at, PyBytes_AS_STRING(octets), length);
        return 0;
    }

    /* `branch`: in a union it stands before the text. */
    static CYTHON_INLINE int sbiscope_any_text(PyObject *text, int branch) {
        Py_ssize_t length;
        const char *utf8;
        unsigned char *at;
        if (PyUnicode_IS_COMPACT_ASCII(text)) {
            length = ((PyASCIIObject *)text)->length;
            utf8 = (const char *)((PyASCIIObject *)text + 1);
        } else if ((utf8 = PyUnicode_AsUTF8AndSize(text, &length)) == NULL)
            return -1;
        if (sbiscope_need(length + SBISCOPE_WIDEST) < 0)
            return -1;
        at = branch ? sbiscope_octet(sbiscope_at, branch) : sbiscope_at;
        sbiscope_at = sbiscope_raw(sbiscope_varint(at, length), utf8, length);
        return 0;
    }

    SBISCOPE_APART static int sbiscope_text(PyObject *text) {
        if (text == Py_None) { /* all that a str may be for Cython beside a text */
            PyErr_SetString(PyExc_TypeError, "None where a text must be");
            return -1;
        }
        return sbiscope_any_text(text, 0);
    }

    SBISCOPE_APART static int sbiscope_some_text(PyObject *text) { return sbiscope_any_text(text, 2); }

    static CYTHON_INLINE int sbiscope_or_text(PyObject *text) {
        return text == Py_None ? sbiscope_null() : sbiscope_some_text(text);
    }

    SBISCOPE_APART static int sbiscope_some_long(PyObject *number) {
        int beyond;
        long long value = PyLong_AsLongLongAndOverflow(number, &beyond); /* a third of the time of the one below */
        if (beyond)
            value = PyLong_AsLongLong(number);
        if ((value == -1 && PyErr_Occurred()) || sbiscope_need(SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_at = sbiscope_varint(sbiscope_octet(sbiscope_at, 2), value);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_or_long(PyObject *number) {
        return number == Py_None ? sbiscope_null() : sbiscope_some_long(number);
    }

    static CYTHON_INLINE int sbiscope_key(PyObject *keys, int which) {
        if (PyBytes_GET_SIZE(keys) < 32 * which + 32) {
            PyErr_SetString(PyExc_ValueError, "not so many keys");
            return -1;
        }
        if (sbiscope_need(32 + SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_at = sbiscope_raw(sbiscope_varint(sbiscope_at, 32), PyBytes_AS_STRING(keys) + 32 * which, 32);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_or_key(PyObject *keys, int which) {
        if (PyBytes_GET_SIZE(keys) <= 32 * which)
            return sbiscope_null();
        if (sbiscope_need(1) < 0)
            return -1;
        sbiscope_at = sbiscope_octet(sbiscope_at, 2);
        return sbiscope_key(keys, which);
    }

    static CYTHON_INLINE void sbiscope_begin(void) { sbiscope_at = sbiscope_sheet; }

    static CYTHON_INLINE Py_ssize_t sbiscope_mark(void) { return sbiscope_at - sbiscope_sheet; }

    static CYTHON_INLINE PyObject *sbiscope_since(Py_ssize_t mark) {
        const char *from = (const char *)sbiscope_sheet + mark;
        return PyBytes_FromStringAndSize(from, (const char *)sbiscope_at - from);
    }

    static CYTHON_INLINE PyObject *sbiscope_written(void) { return sbiscope_since(0); }
    """
    void begin "sbiscope_begin" ()
    bytes written "sbiscope_written" ()
    Py_ssize_t mark "sbiscope_mark" ()
    bytes since "sbiscope_since" (Py_ssize_t mark)
    int put_long "sbiscope_long" (long long value) except -1
    int put_text "sbiscope_text" (str text) except -1
    int put_again "sbiscope_again" (bytes octets) except -1
    int put_key "sbiscope_key" (bytes keys, int which) except -1
    int put_optional_key "sbiscope_or_key" (bytes keys, int which) except -1
    int put_optional_text "sbiscope_or_text" (str text) except -1
    int put_optional_long "sbiscope_or_long" (object number) except -1
    int put_optional_bytes "sbiscope_or_octets" (bytes octets) except -1
