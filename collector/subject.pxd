from collector.identifiers cimport Identifiers

cdef class Subject:
    cdef readonly Identifiers identifiers
    cdef readonly Identifiers said
    cdef readonly str source
    cdef readonly str reference

cdef Subject NOBODY

cdef Subject subject_of(Identifiers identifiers, Identifiers said, str source, str reference)
cdef bint contradicts(Identifiers answered, Subject asked) noexcept
cdef bint is_other(Identifiers said, Identifiers bound) noexcept
