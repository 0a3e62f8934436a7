from collector.identifiers cimport Identifiers

cpdef Identifiers identifiers_at_top(list m)
