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
    cdef bint says_nothing(self) noexcept

cpdef Identifiers identifiers(dict found)
cdef Identifiers identified(
    str supi, str suci, str gpsi, str pei, str guti, object pdu_session_id, str snssai, str dnn, str plmn, str guami,
    str nf_instance
)
cpdef Identifiers both(Identifiers first, Identifiers second)
cpdef str ue_id(object text, bint bare=*)
cpdef bint may_be_ue_id(str text)
cpdef object pdu_session_id(object value)
cpdef str nf_instance_id(object value)
cpdef str snssai_text(object value)
cpdef str dnn_text(object value)
cpdef str plmn_text(object value)
cpdef str guami_text(object value)
