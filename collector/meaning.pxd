from collector.asked cimport Asked, Ends
from collector.asking cimport Asking
from collector.body cimport BodyFacts
from collector.halves cimport Message
from collector.identifiers cimport Identifiers
from collector.met_bodies cimport MetBodies
from collector.read cimport Read
from collector.references cimport References
from collector.sbi_headers cimport Fields, HeaderReader
from collector.subject cimport Subject
from collector.told cimport Told

cdef class Meaning:
    cdef HeaderReader _reader
    cdef object _redact
    cdef object _sentence
    cdef object _of
    cdef object _redact_body
    cdef Asking _asking
    cdef References _references
    cdef dict _ends
    cdef list _near
    cdef readonly MetBodies _met_bodies
    cdef dict _told
    cdef long long _number
    cdef Read _no_body
    cdef Told _no_subject
    cdef bint _in_avro
    cdef long long _malformed

    cpdef tuple event(self, endpoints, Message message)
    cpdef bytes octets(self, endpoints, Message message)
    cdef object _of_message(self, endpoints, Message message)
    cdef object _request(self, Ends ends, Message message, Fields fields, Read body)
    cdef object _response(self, Ends ends, Message message, Fields fields, Read body)
    cdef Asked _asked_of(self, Ends ends, Message message, long long now_us)
    cdef Read _body(self, Message message, Fields fields)
    cdef bytes _captured(self, Message message, Fields fields)
    cdef Identifiers _of_headers(self, Fields fields)
    cdef Ends _ends_of(self, endpoints)
    cdef Told _told_of(self, Identifiers identifiers)
    cdef object _event(self, Ends ends, Message message, Asked asked, Fields fields, Read body, Subject subject, Told told)
