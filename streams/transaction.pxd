from streams.half cimport Half
from streams.transaction_row cimport Row

cpdef Row compose(Half request, Half response, int outcome, int version, int deadline_ms, bytes place, str transaction_id)
