from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef int read_control(Exchanges exchanges, Side side) except? -1
