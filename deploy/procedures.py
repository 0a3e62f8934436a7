"""A capture's procedures as JSON lines: the pairing fold and the procedure fold behind the collector, without Kafka."""

from collections.abc import Callable, Iterable

from collector.avro import encode_batch
from collector.batch import Batch
from schemas.config import Streams
from schemas.fields import document
from schemas.json_text import silent
from streams.fold import Facts, Rows, batch_body
from streams.pairing import TRANSACTIONS, Pairing
from streams.procedures import PROCEDURES_JSON, Procedures


class ProcedureLines:
    """Finds the procedures in the events of batches; writes each when it is over, by `write`."""

    def __init__(self, write: Callable[[bytes], object], rules: Streams) -> None:
        self._write = write
        self._pairing = Pairing(Facts(0, {TRANSACTIONS: 1}), rules)
        self._procedures = Procedures(Facts(0, {PROCEDURES_JSON: 1}))
        self._events = document("sbi_event_batch")
        self._transactions = document("sbi_transaction_batch")

    def put(self, batch: Batch) -> None:
        """Write what is over by `batch`; its clock stands for append time."""
        now_ms = batch.header.clock_us // 1_000
        body = encode_batch(batch.header, batch.events)
        for rows in self._pairing.apply(now_ms, self._events, body):
            made = batch_body(0, rows.first_number, rows.records)
            self._tell(self._procedures.apply(now_ms, self._transactions, made))

    def finish(self) -> None:
        """Write what the end of the capture leaves."""
        self._tell(self._procedures.finish())

    def _tell(self, out: Iterable[Rows]) -> None:
        self._write(b"".join(silent(record) + b"\n" for rows in out for record in rows.records))
