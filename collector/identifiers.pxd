cdef class Identifiers:
    cdef readonly str supi
    cdef readonly str suci
    cdef readonly str gpsi
    cdef readonly str pei
    cdef readonly str guti
    cdef readonly object pdu_session_id
    cdef readonly str snssai
    cdef readonly str dnn
    cdef readonly str plmn
    cdef readonly str guami
    cdef readonly str nf_instance
    cdef public object told
    cdef public long long teller
    cdef Py_hash_t _hash

    cpdef tuple said(self)

cpdef Identifiers both(Identifiers first, Identifiers second)
