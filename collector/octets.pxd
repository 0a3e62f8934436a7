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

    static unsigned char *sbiscope_sheet = NULL;
    static Py_ssize_t sbiscope_room = 0, sbiscope_at = 0;

    static int sbiscope_more(Py_ssize_t octets) {
        Py_ssize_t room = 2 * sbiscope_room + octets + 4096;
        unsigned char *sheet = (unsigned char *)PyMem_Realloc(sbiscope_sheet, room);
        if (sheet == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        sbiscope_sheet = sheet;
        sbiscope_room = room;
        return 0;
    }

    static CYTHON_INLINE int sbiscope_need(Py_ssize_t octets) {
        return sbiscope_room - sbiscope_at < octets ? sbiscope_more(octets) : 0;
    }

    /* For these two there must be room. */
    static CYTHON_INLINE void sbiscope_octet(int value) {
        sbiscope_sheet[sbiscope_at++] = (unsigned char)value;
    }

    static CYTHON_INLINE void sbiscope_varint(long long value) {
        unsigned long long zigzag = ((unsigned long long)value << 1) ^ (unsigned long long)(value >> 63);
        while (zigzag > 127) {
            sbiscope_octet((int)(zigzag & 127) | 128);
            zigzag >>= 7;
        }
        sbiscope_octet((int)zigzag);
    }

    static CYTHON_INLINE int sbiscope_long(long long value) {
        if (sbiscope_need(SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_varint(value);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_raw(const void *from, Py_ssize_t length) {
        if (sbiscope_need(length) < 0)
            return -1;
        memcpy(sbiscope_sheet + sbiscope_at, from, length);
        sbiscope_at += length;
        return 0;
    }

    static CYTHON_INLINE int sbiscope_again(PyObject *octets) {
        return sbiscope_raw(PyBytes_AS_STRING(octets), PyBytes_GET_SIZE(octets));
    }

    static CYTHON_INLINE int sbiscope_or_octets(PyObject *octets) {
        if (sbiscope_need(SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_octet(octets == Py_None ? 0 : 2);
        if (octets == Py_None)
            return 0;
        sbiscope_varint(PyBytes_GET_SIZE(octets));
        return sbiscope_again(octets);
    }

    static CYTHON_INLINE int sbiscope_text(PyObject *text) {
        Py_ssize_t length;
        const char *utf8;
        if (text == Py_None) { /* all that a str may be for Cython beside a text */
            PyErr_SetString(PyExc_TypeError, "None where a text must be");
            return -1;
        }
        if (PyUnicode_IS_COMPACT_ASCII(text)) {
            length = ((PyASCIIObject *)text)->length;
            utf8 = (const char *)((PyASCIIObject *)text + 1);
        } else if ((utf8 = PyUnicode_AsUTF8AndSize(text, &length)) == NULL)
            return -1;
        if (sbiscope_need(length + SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_varint(length);
        memcpy(sbiscope_sheet + sbiscope_at, utf8, length);
        sbiscope_at += length;
        return 0;
    }

    /* Most of what may be null is: that alone is written where it is asked for. */
    static CYTHON_INLINE int sbiscope_null(void) {
        if (sbiscope_need(1) < 0)
            return -1;
        sbiscope_octet(0);
        return 0;
    }

    SBISCOPE_APART static int sbiscope_some_text(PyObject *text) {
        if (sbiscope_need(1) < 0)
            return -1;
        sbiscope_octet(2);
        return sbiscope_text(text);
    }

    static CYTHON_INLINE int sbiscope_or_text(PyObject *text) {
        return text == Py_None ? sbiscope_null() : sbiscope_some_text(text);
    }

    SBISCOPE_APART static int sbiscope_some_long(PyObject *number) {
        long long value;
        if (sbiscope_need(SBISCOPE_WIDEST) < 0)
            return -1;
        sbiscope_octet(2);
        value = PyLong_AsLongLong(number);
        if (value == -1 && PyErr_Occurred())
            return -1;
        sbiscope_varint(value);
        return 0;
    }

    static CYTHON_INLINE int sbiscope_or_long(PyObject *number) {
        return number == Py_None ? sbiscope_null() : sbiscope_some_long(number);
    }

    static CYTHON_INLINE void sbiscope_begin(void) { sbiscope_at = 0; }

    static CYTHON_INLINE Py_ssize_t sbiscope_mark(void) { return sbiscope_at; }

    static CYTHON_INLINE PyObject *sbiscope_since(Py_ssize_t mark) {
        return PyBytes_FromStringAndSize((const char *)sbiscope_sheet + mark, sbiscope_at - mark);
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
    int put_optional_text "sbiscope_or_text" (str text) except -1
    int put_optional_long "sbiscope_or_long" (object number) except -1
    int put_optional_bytes "sbiscope_or_octets" (bytes octets) except -1
