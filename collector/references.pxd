from collector.body cimport BodyFacts
from collector.identifiers cimport Identifiers
from collector.recent cimport Recent
from collector.resource cimport Resource
from collector.subject cimport Subject

cdef class Awaited:
    cdef readonly Subject subject
    cdef str authority
    cdef Resource resource
    cdef str method
    cdef tuple callbacks

cdef class Bound:
    cdef Identifiers identifiers
    cdef tuple callbacks
    cdef bint shared
    cdef long long until_us

cdef class References:
    cdef Recent _places
    cdef Recent _aliases
    cdef dict _resources
    cdef dict _authorities

    cpdef Awaited request(
        self, long long now_us, str method, str producer, str path,
        Identifiers headers=*, BodyFacts body=*
    )
    cpdef Subject response(
        self, Awaited awaited, long long now_us, status, str producer, str path, str location=*,
        Identifiers headers=*, BodyFacts body=*
    )
    cdef Resource _resource(self, str producer, str path)
    cdef str _authority(self, str producer, Resource resource)
    cdef Subject _subject(
        self, long long now_us, str authority, Resource resource, Identifiers headers, Identifiers body
    )
    cdef Subject _referred(self, long long now_us, str authority, Resource resource, Identifiers said)
    cdef Subject _unresolved(self, str authority, Resource resource, Identifiers every, Identifiers said)
    cdef Subject _completed(self, long long now_us, Awaited awaited, Identifiers headers, BodyFacts body)
    cdef Subject _corrected(self, long long now_us, Awaited awaited, Identifiers headers, Identifiers answered)
    cdef void _restate(self, long long now_us, str authority, Resource resource, Identifiers every)
    cdef void _bind_anew(self, long long now_us, Awaited awaited, Identifiers every)
    cdef str _alias(self, Identifiers every, long long now_us)
    cdef Identifiers _bound(self, str authority, Resource resource, Identifiers said, long long now_us)
    cdef int _learn(
        self, long long now_us, Awaited awaited, Subject subject, int status, str location, BodyFacts body
    ) except -1
    cdef tuple _called(self, BodyFacts body, Subject subject, long long now_us)
    cdef void _learn_callback(self, tuple place, Identifiers whole, long long now_us)
    cdef void _forget(self, Awaited awaited, long long now_us)
