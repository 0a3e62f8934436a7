from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef int read_data(Exchanges exchanges, Side side) except? -1
cdef int lost_data(Exchanges exchanges, Side side) except? -1
