"""How far exchanges came that are missing at the end: which stage has not got them."""

from collections import defaultdict

import fastavro

from schemas.fields import document
from schemas.framing import Unframed, unframe
from schemas.plain import without_logical_types
from streams.clickhouse import connect, rows
from tests.chaos.field import DATABASE, PARTITIONS, Field
from tests.chaos.truth import messages
from tests.kpis import read

SHOWN = 3
TRANSACTIONS = fastavro.parse_schema(without_logical_types(document("sbi_transaction_batch")))
NOT_PAIRED = "in sbi.events, not in sbi.transactions"
NOT_STORED = "in sbi.transactions, not in ClickHouse"
NOT_SHOWN = "in ClickHouse, not in the view of exchanges"


def whereabouts(field: Field, missing: set[str]) -> str:
    """Say how many of `missing` came how far, and some of each by name."""
    told, stored = _told(field.kafka.bootstrap), _stored(field)
    found: dict[str, list[str]] = defaultdict(list)
    for one in sorted(missing):
        found[NOT_SHOWN if one in stored else NOT_STORED if one in told else NOT_PAIRED].append(one)
    return "; ".join(f"{len(many)} {where}: {', '.join(many[:SHOWN])}" for where, many in found.items())


def _told(bootstrap: str) -> set[str]:
    found: set[str] = set()
    for _, _, _, value in messages(bootstrap, "sbi.transactions", PARTITIONS):
        try:
            body = unframe(value)[1]
        except Unframed:
            continue  # planted
        found.update(row["transaction_id"] for row in read(TRANSACTIONS, body)["transactions"])
    return found


def _stored(field: Field) -> set[str]:
    client = connect(field.front.account(DATABASE))
    try:
        return {one for (one,) in rows(client, "SELECT DISTINCT transaction_id FROM transactions")}
    finally:
        client.close()
