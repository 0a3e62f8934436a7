from collector.asked cimport Asked, Ends
from collector.body cimport BodyFacts
from collector.callbacks cimport Callbacks
from collector.hop cimport Keys
from collector.inventory cimport Inventory
from collector.network_function cimport NetworkFunctions
from collector.request_target cimport RequestTarget, RequestTargets
from collector.sbi_headers cimport Fields

cdef class Asking:
    cdef readonly Inventory inventory
    cdef readonly Callbacks callbacks
    cdef Keys _keys
    cdef RequestTargets _targets
    cdef NetworkFunctions _functions
    cdef dict _places
    cdef dict _named

    cpdef Asked ask(self, Ends ends, Fields fields, long long now_us)
    cpdef bytes short(self, bytes body)
    cpdef int carried(self, Asked asked, bytes body, Py_ssize_t body_bytes) except -1
    cpdef int name(self, Asked asked, Ends ends, unsigned int stream_id, bint is_carried) except -1
    cdef object consumer_named(self, Ends ends, Asked asked, str named)
    cpdef int producer_told(self, Asked asked, Fields fields) except -1
    cdef int _find_callback(self, Asked asked, RequestTarget target, long long now_us) except -1
    cdef int _find_ends(self, Asked asked, Ends ends) except -1
    cdef object _producer(self, Asked asked, str target_nf, str process, long long version)
    cdef object _with_instance(self, object consumer, str named)
    cdef str _place(self, Fields fields, Ends ends)
    cpdef int learn(self, Asked asked, BodyFacts body, long long now_us) except -1
    cpdef int learn_answer(self, Asked asked, BodyFacts body, long long now_us) except -1
    cdef int _hear(self, Asked asked, str status, long long now_us) except -1
