from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef int read_block(Exchanges exchanges, Side side) except? -1
cdef int lost_block(Exchanges exchanges, Side side) except? -1
