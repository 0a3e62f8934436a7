"""How long ClickHouse keeps the rows of each stored table: its TTL, as the server writes it, from the configuration.

All count from insertion, so that an old capture may be loaded. What may name a subscriber, or is of single
connections, is kept no longer than the transactions it came from, whenever it was rolled (`kept_from`); rollups no
shorter, or they would be made again.
"""

from schemas.config import ClickHouse
from streams.rollup import TABLES
from streams.rollup_hours import TABLES as HOURS

SUPERSEDED_DAYS = 1  # so long a mark that a roll counts no more waits for its rows, to be merged with them


def ends(kept: ClickHouse) -> dict[str, str]:
    """Return the TTL of each stored table and of one column by name, empty for none; the ledger of migrations stays."""
    days = {
        "transactions": kept.transactions_days,
        "subscriber_times": kept.transactions_days,
        "nf_messages": kept.transactions_days,
        "kpis": kept.kpis_days,
        "procedures": kept.procedures_days,
        "broken_procedures": kept.procedures_days,
        "alerts": kept.alerts_days,
        "agents": kept.agents_days,
        "flows": kept.flows_days,
        "places": kept.places_days,
    }
    return {name: after("stored_at", many) for name, many in days.items()} | rollups(kept)


def rollups(kept: ClickHouse) -> dict[str, str]:
    """Return the TTL of the rollups and of their ledger."""
    for_ever = 0 in (kept.rollups_days, kept.transactions_days)
    whole = after("rolled_at", 0 if for_ever else max(kept.rollups_days, kept.transactions_days))
    replaced = after("rolled_at", SUPERSEDED_DAYS, "superseded")
    connections = after("kept_from", kept.transactions_days, "cut = 'connection'")
    counts = ("rollup_counts", "rollup_counts_hours")
    ledgers = dict.fromkeys(("rollup_slots", "rollup_cuts", "rollup_hours"), whole)
    tables = {f"rollup_{name}": joined(replaced, whole) for name in (*TABLES, *HOURS)}
    # A vendor's path may hold a pseudonym.
    paths = {f"{name}.example": after("kept_from", kept.transactions_days) for name in counts}
    return tables | paths | ledgers | dict.fromkeys(counts, joined(replaced, connections, whole))


def after(column: str, days: int, where: str = "") -> str:
    """Return one expression: rows (those `where`) go `days` after `column`; empty for 0."""
    if not days:
        return ""
    return f"toDateTime({column}) + toIntervalDay({days})" + (f" WHERE {where}" if where else "")


def joined(*expressions: str) -> str:
    """Return several as one."""
    return ", ".join(filter(None, expressions))
