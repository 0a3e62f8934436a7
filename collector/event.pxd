from collector.asked cimport Asked, Ends
from collector.halves cimport Message
from collector.read cimport Read
from collector.sbi_headers cimport Fields
from collector.subject cimport Subject
from collector.told cimport Told

cdef tuple event_values(
    Ends ends, Message message, Asked asked, Fields fields, Read body, Subject subject, Told told, str reference, bytes captured, str cause, str result, str origin
)
cdef bytes event_octets(
    Ends ends, Message message, Asked asked, Fields fields, Read body, Subject subject, Told told, str reference, bytes captured, str cause, str result, str origin
)
