cpdef object both(first, second)
