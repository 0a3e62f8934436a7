cdef class Told:
    cdef readonly str supi
    cdef readonly str gpsi
    cdef readonly str pei
    cdef readonly object session
    cdef readonly str snssai
    cdef readonly str dnn
    cdef readonly str plmn
    cdef readonly str guami
    cdef readonly str nf_instance
    cdef public bytes octets
