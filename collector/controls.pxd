from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef void read_control(Exchanges exchanges, Side side)
