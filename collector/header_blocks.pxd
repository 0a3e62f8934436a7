from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef void read_block(Exchanges exchanges, Side side)
cdef void lost_block(Exchanges exchanges, Side side)
