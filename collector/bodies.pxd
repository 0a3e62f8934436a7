from collector.exchanges cimport Exchanges
from collector.side cimport Side

cdef void read_data(Exchanges exchanges, Side side)
cdef void lost_data(Exchanges exchanges, Side side)
