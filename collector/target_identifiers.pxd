from collector.identifiers cimport Identifiers

cpdef Identifiers identifiers_of_path(str path)
