cpdef str decoded(str text)
