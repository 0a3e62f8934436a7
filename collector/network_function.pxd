from collector.inventory cimport Inventory

cdef class NetworkFunctions:
    cdef Inventory _inventory
    cdef long long _version
    cdef dict _consumers
    cdef dict _producers

    cpdef object consumer(self, str user_agent, str requester, str callback_of, str address, str process)
    cpdef object producer(self, str service_nf, str target, str receiver, str place, str service, str process)
    cdef int _forget(self) except -1
