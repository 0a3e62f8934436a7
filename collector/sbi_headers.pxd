from collector.other_headers cimport Other, OtherHeaders

cdef class Fields:
    cdef readonly str method
    cdef readonly bytes path
    cdef readonly str authority
    cdef readonly object status
    cdef readonly str content_type
    cdef readonly str content_type_whole
    cdef readonly str content_encoding
    cdef readonly str user_agent
    cdef readonly str server
    cdef readonly str via
    cdef readonly str location
    cdef readonly str location_plain
    cdef readonly str retry_after
    cdef readonly str authorization_scheme
    cdef readonly object priority
    cdef readonly object max_rsp_time_ms
    cdef readonly object sender_timestamp_us
    cdef readonly bytes sender_timestamp
    cdef readonly str correlation_info
    cdef readonly str target_api_root
    cdef readonly str callback
    cdef readonly bint retransmission
    cdef readonly str idempotency_key
    cdef readonly dict others
    cdef readonly dict facts
    cdef readonly dict plain
    cdef readonly bint names_subject

cdef class HeaderReader:
    cdef object _redact
    cdef dict _slots
    cdef dict _texts
    cdef dict _locations
    cdef dict _numbers
    cdef dict _kinds
    cdef dict _seconds
    cdef OtherHeaders _others
    cdef bytes _last_date
    cdef long long _last_second
    cdef list _names
    cdef unsigned char[256] _name_slots
    cdef list _met
    cdef list _met_meanings
    cdef unsigned char[2048] _met_slots
    cpdef Fields read(self, headers)
    cdef int _slot_of(self, bytes name) except -1
    cdef int _slot_of_new(self, bytes name) except -1
    cdef object _meaning(self, int slot, bytes name, bytes value)
    cdef int _put(self, Fields fields, int slot, object meaning) except -1
    cdef int _take(self, Fields fields, int slot, bytes name, bytes value) except -1
    cdef str _text(self, bytes value)
    cdef object _number(self, bytes value, int most)
    cdef str _beside(self, str before, bytes value)
    cdef int _take_correlation_info(self, Fields fields, bytes value) except -1
    cdef int _take_location(self, Fields fields, bytes value) except -1
    cdef tuple _content_type(self, bytes value)
    cdef int _take_request_info(self, Fields fields, bytes value) except -1
    cdef int _put_other(self, Fields fields, tuple meaning) except -1
    cpdef object timestamp_us(self, bytes value)
