from collector.path_templates cimport PathTemplates

cdef class Template:
    cdef readonly str service
    cdef readonly str path
    cdef readonly dict methods
    cdef readonly dict matches
    cdef readonly dict others

cdef class Tables:
    cdef dict producers
    cdef dict unversioned
    cdef list names
    cdef PathTemplates templates

cdef class Catalogue:
    cdef dict _producers
    cdef dict _unversioned
    cdef list _names
    cdef list _found
    cdef PathTemplates _templates

    cpdef object find(self, str method, str path)
    cpdef object known(self, str method, str path)
    cpdef object unknown(self, str path)
    cpdef str tail_of(self, str path)
    cdef object _without_version(self, str path, str method)
    cdef object _match(self, Template template, str version, str source, str method)
