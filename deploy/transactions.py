"""A capture's transactions as JSON lines: the pairing fold behind the collector, without Kafka."""

import io
from collections.abc import Callable
from typing import Any

import fastavro
import msgspec

from collector.avro import encode_batch
from collector.batch import Batch
from schemas.config import Streams
from schemas.fields import document
from schemas.json_text import silent
from schemas.plain import without_logical_types
from streams.fold import Facts
from streams.pairing import TRANSACTIONS, Pairing

FINAL = 2  # the version of a transaction that nothing corrects any more


class TransactionLines:
    """Pairs the events of batches; writes each transaction once, in its last version, by `write`."""

    def __init__(self, write: Callable[[bytes], object], rules: Streams) -> None:
        self._write = write
        self._fold = Pairing(Facts(0, {TRANSACTIONS: 1}), rules)
        self._schema = document("sbi_event_batch")
        self._record = fastavro.parse_schema(
            without_logical_types(document("sbi_transaction_batch")["fields"][-1]["type"]["items"])
        )
        self._waiting: dict[str, dict[str, Any]] = {}

    def put(self, batch: Batch) -> None:
        """Write what is decided by `batch`; what an answer may still correct waits."""
        body = encode_batch(batch.header, batch.events)
        lines = []
        for rows in self._fold.apply(batch.header.clock_us // 1_000, self._schema, body):
            for octets in rows.records:
                row = fastavro.schemaless_reader(io.BytesIO(octets), self._record, None)
                if row["version"] < FINAL:
                    self._waiting[row["transaction_id"]] = row
                else:
                    self._waiting.pop(row["transaction_id"], None)
                    lines.append(_line(row))
        self._write(b"".join(lines))

    def finish(self) -> None:
        """Write what stays without answer."""
        self._write(b"".join(map(_line, self._waiting.values())))
        self._waiting.clear()


def _line(row: dict[str, Any]) -> bytes:
    return silent(msgspec.json.encode(row)) + b"\n"
