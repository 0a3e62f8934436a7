cpdef object json_part(str content_type, bytes body)
