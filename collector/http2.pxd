from collector.halves cimport Message
from collector.hpack cimport Decoder
from collector.frames cimport Splitter
from collector.selection cimport Selection
from collector.stream cimport Side, Stream, Streams

cdef class Http2:
    cdef readonly bint swapped
    cdef public bint roles_proved
    cdef object _limits
    cdef object _loss
    cdef object _traffic
    cdef Selection _selection
    cdef Side _side0
    cdef Side _side1
    cdef Streams _streams
    cdef list _done
    cdef long long _now
    cdef Py_ssize_t _body_bytes
    cdef Py_ssize_t _max_streams
    cdef Py_ssize_t _max_open_bytes
    cdef bint _block_lost
    cdef bint _is_interim
    cdef bint _has_request
    cdef bint _has_status
    cdef bint _is_connect

    cpdef void feed(self, bint from_client, bytes data, long long time_ns)
    cdef void _read(self, Side side, bytes data, long long time_ns)
    cdef bytes _run(self, Side side, bytes data, long long time_ns)
    cdef void _lose(self, Side side)
    cdef void _cloud(self, Side side)
    cdef void _count_dropped(self, Side side)
    cdef Side _other(self, Side side)
    cdef void _read_block(self, Side side)
    cdef void _scan(self, list headers)
    cdef void _prove_roles(self, Side side, unsigned int stream_id)
    cdef void _swap(self)
    cdef Stream _stream_of_block(self, Side side, unsigned int stream_id)
    cdef Stream _add_stream(self, unsigned int stream_id)
    cdef void _evict_oldest(self)
    cdef int _input(self, Side side, Stream stream, bint end_stream)
    cdef void _take_block(self, Side side, Stream stream, list headers, bint fine)
    cdef bint _is_trailer_section(self, Side side, list headers)
    cdef Message _begin(self, Side side, Stream stream, long long time_ns, bint stays_open)
    cdef void _fill(self, Side side, Stream stream, Message message, list headers, bint fine)
    cdef void _fill_partly(self, Decoder decoder, Message message)
    cdef void _add_trailers(self, Side side, Message message, list headers, bint fine)
    cdef void _lost_block(self, Side side)
    cdef void _promise(self, Side side, list headers, bint fine)
    cdef void _read_data(self, Side side)
    cdef void _take_data(self, Side side, Stream stream, int given)
    cdef void _add_body(self, Side side, Stream stream, Message message)
    cdef void _lost_data(self, Side side)
    cdef void _finish(self, Side side, Stream stream, Message message, object ended)
    cdef void _settle(self, Side side, Stream stream)
    cdef void _end_half(self, Side side, Stream stream, object ended)
    cdef void _end_stream(self, Stream stream, object ended)
    cdef void _end_all(self, object ended)
    cdef void _malformed(self, Side side, Stream stream)
    cdef void _read_control(self, Side side)
    cdef void _read_settings(self, Side side)
    cdef void _read_goaway(self, Side side)
    cdef void _hold(self, Stream stream, Py_ssize_t held_bytes)
    cdef void _set_state(self, Stream stream, int side, int state) noexcept
    cdef void _set_half(self, Stream stream, int side, Message message) noexcept
