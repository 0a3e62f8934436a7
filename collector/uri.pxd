cpdef tuple split_uri(str uri)
cpdef str resource_of(str path)
