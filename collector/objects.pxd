from cpython.object cimport PyObject

cdef extern from *:
    """
    /* The UTF-8 of a text: of a plain one where it stands, without asking CPython for it. */
    static CYTHON_INLINE const char *sbiscope_utf8(PyObject *text, Py_ssize_t *length) {
        if (PyUnicode_Check(text) && PyUnicode_IS_COMPACT_ASCII(text)) {
            *length = ((PyASCIIObject *)text)->length;
            return (const char *)((PyASCIIObject *)text + 1);
        }
        return PyUnicode_AsUTF8AndSize(text, length);
    }

    /* The first place from `at` to `end` of a tuple that is not None. */
    static CYTHON_INLINE Py_ssize_t sbiscope_told(PyObject *values, Py_ssize_t at, Py_ssize_t end) {
        while (at < end && PyTuple_GET_ITEM(values, at) == Py_None)
            at++;
        return at;
    }

    /* An empty list with room. */
    static CYTHON_INLINE PyObject *sbiscope_list(Py_ssize_t room) {
        PyObject *list = PyList_New(0);
        PyObject **items = list == NULL ? NULL : PyMem_Malloc(room * sizeof(PyObject *));
        if (items != NULL) { /* else it grows as any other */
            ((PyListObject *)list)->ob_item = items;
            ((PyListObject *)list)->allocated = room;
        }
        return list;
    }

    /* Append to a list, where it has room without asking CPython for it. */
    static CYTHON_INLINE int sbiscope_append(PyObject *list, PyObject *item) {
        Py_ssize_t size = Py_SIZE(list);
        if (((PyListObject *)list)->allocated <= size)
            return PyList_Append(list, item);
        Py_INCREF(item);
        PyList_SET_ITEM(list, size, item);
        Py_SET_SIZE(list, size + 1);
        return 0;
    }

    /* Where the items of a list stand, as long as nothing is appended to it. */
    static CYTHON_INLINE PyObject **sbiscope_items(PyObject *list) { return ((PyListObject *)list)->ob_item; }

    /* Have the CPU fetch what will be read soon. Nothing is read here: what stands there may have been freed. */
    static CYTHON_INLINE void sbiscope_fetch(const void *at) { __builtin_prefetch(at); }

    /* Put another object in one's place. */
    static CYTHON_INLINE void sbiscope_put(PyObject **items, Py_ssize_t place, PyObject *item) {
        PyObject *old = items[place];
        Py_INCREF(item);
        items[place] = item;
        Py_DECREF(old);
    }
    """
    const char *sbiscope_utf8(object text, Py_ssize_t *length) except NULL
    Py_ssize_t sbiscope_told(tuple values, Py_ssize_t at, Py_ssize_t end)
    list sbiscope_list(Py_ssize_t room)
    int sbiscope_append(list items, object item) except -1
    PyObject **sbiscope_items(list items)
    void sbiscope_fetch(const void *at)
    void sbiscope_put(PyObject **items, Py_ssize_t place, object item)
