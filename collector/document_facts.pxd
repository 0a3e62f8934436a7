from collector.identifiers cimport Identifiers

cpdef Identifiers identifiers_at_top(list m)
cpdef Identifiers identifiers_of(list m)
cpdef str cause_of(list m)
cpdef object verdict_of(list m)
cpdef object references_of(list m)
cpdef object patched_of(list m)
