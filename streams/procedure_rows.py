"""Reads batches of transactions as far as procedures need them, whoever of our releases wrote them.

Most transactions are no step of any procedure, and of one that is a third of the fields is needed; fastavro makes a
dictionary of all 95 of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.fields import document
from streams.batch_reader import BatchReader
from streams.procedure_step import NEEDED

WHOLE = document("sbi_transaction_batch")


def _narrowed() -> Mapping[str, Any]:
    """Return our schema with the fields that are needed."""
    *first, rows = WHOLE["fields"]
    record = rows["type"]["items"]
    kept = [field for field in record["fields"] if field["name"] in NEEDED]
    return {**WHOLE, "fields": [*first, {**rows, "type": {"type": "array", "items": {**record, "fields": kept}}}]}


OURS = _narrowed()
NAMES = tuple(field["name"] for field in OURS["fields"][-1]["type"]["items"]["fields"])
FIRST = [field["name"] for field in OURS["fields"]]
INPUT_PARTITION, FIRST_NUMBER = FIRST.index("input_partition"), FIRST.index("first_number")


@dataclass(frozen=True, slots=True)
class Batch:
    """One message of sbi.transactions; `rows`: values in the order of NAMES."""

    input_partition: int
    first_number: int
    rows: list[Sequence[Any]]


class RowReader:
    """Reads messages of sbi.transactions."""

    def __init__(self) -> None:
        """No schema is known yet."""
        self._batches = BatchReader(OURS, "transactions")

    def read(self, schema: Mapping[str, Any], body: bytes) -> Batch:
        """Return a batch. Raises Malformed."""
        told = self._batches.read(schema, body)
        return Batch(told[INPUT_PARTITION], told[FIRST_NUMBER], told[-1])
