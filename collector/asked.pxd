from collector.references cimport Awaited
from collector.request_target cimport Matched, RequestTarget
from collector.sbi_headers cimport Fields

cdef class Ends:
    cdef readonly object endpoints
    cdef readonly str connection_id
    cdef readonly bytes connection
    cdef readonly bytes client
    cdef readonly str server
    cdef readonly str server_process
    cdef readonly str client_process
    cdef readonly object vantage
    cdef readonly object tls
    cdef readonly str client_address
    cdef readonly object client_port
    cdef readonly str server_address
    cdef readonly object server_port
    cdef readonly object process_id
    cdef readonly object process_name
    cdef readonly object netns
    cdef readonly object executable
    cdef readonly object container_id
    cdef readonly object container_name
    cdef readonly object image
    cdef readonly object pod_uid
    cdef readonly object pod
    cdef readonly object namespace
    cdef readonly object labels
    cdef bytes octets_before
    cdef bytes octets
    cdef bytes octets_behind
    cdef str agent
    cdef str requester
    cdef str sender
    cdef long long version
    cdef object consumer
    cdef str named
    cdef object named_of
    cdef long long named_version
    cdef object named_consumer

cdef class Asked:
    cdef public Fields fields
    cdef public RequestTarget target
    cdef public str text
    cdef public str plain_path
    cdef public Matched matched
    cdef public object consumer
    cdef public object producer
    cdef public str receiver
    cdef public str place
    cdef public bytes keys
    cdef Awaited awaited
    cdef long long teller
    cdef bint exact

cdef Asked new_asked()
