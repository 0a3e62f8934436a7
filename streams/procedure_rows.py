"""Reads batches of transactions as far as procedures need them, whoever of our releases wrote them.

Most transactions are no step of any procedure, and of one that is a third of the fields is needed; fastavro makes a
dictionary of all 95 of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.fields import document
from streams.procedure_step import NEEDED
from streams.records import Cursor, Plan, plan
from streams.reframe import Malformed

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
    """Keeps the plans of the writers' schemas."""

    def __init__(self) -> None:
        """None is known yet."""
        self._plans: dict[int, tuple[Mapping[str, Any], Plan]] = {}

    def read(self, schema: Mapping[str, Any], body: bytes) -> Batch:
        """Return a batch; raises Malformed where the body is none of that schema, or the schema none of ours."""
        if id(schema) not in self._plans:
            self._plans[id(schema)] = schema, plan(schema, OURS)  # it keeps the schema, so its id stays its own
        cursor = Cursor(body)
        try:
            told = self._plans[id(schema)][1].read(cursor)
        except (Malformed, UnicodeDecodeError) as error:
            raise Malformed(f"no batch of transactions: {error}") from error
        if cursor.at != len(body):
            raise Malformed(f"{len(body) - cursor.at} octets behind its transactions")
        return Batch(told[INPUT_PARTITION], told[FIRST_NUMBER], told[-1])
