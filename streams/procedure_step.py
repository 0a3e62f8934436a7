"""A request as a step of procedures: what a transaction says of it, and what its sightings say together."""

from collections.abc import Mapping
from typing import Any

import msgspec

GOOD = frozenset({"success", "business"})  # a redirect is as good as what it leads to, which is a request of its own
RETRIED = frozenset({307, 308, 429, 500, 502, 503, 504})  # TS 29.500 6.10: another instance may still do it
VANTAGES = {"client": 0, "wire": 1, "server": 2}


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """One logical request, by its best sighting; times in microseconds since the epoch, `end_us` also if unanswered."""

    logical: str  # equal on all hops and ends: request_key, else exchange_key
    transaction_id: str
    rank: int
    operation: str
    consumer_nf: str | None
    producer_nf: str | None
    result: str | None
    status: int | None
    outcome: str
    cause: str | None
    request_us: int
    deadline_ms: int
    end_us: int
    duration_us: int | None
    supi: str | None
    pdu_session_id: int | None
    snssai: str | None
    dnn: str | None
    plmn: str | None
    site: str
    node: str
    incarnation: str
    is_hop_without_key: bool  # to a proxy, and nothing tells which onward request it became
    reference: str | None = None  # what names the subscriber where his SUPI is not known
    resource: str | None = None

    @property
    def whose(self) -> str | None:
        """Who it is about: his SUPI, else the SUCI, GUTI or GPSI that this end could not resolve."""
        return self.supi or (self.reference if self.reference and "/" not in self.reference else None)

    @property
    def is_good(self) -> bool:
        """Whether it was answered, and well; also if that came late."""
        return self.outcome in GOOD or (self.outcome == "late" and self.status is not None and self.status < 300)

    @property
    def is_redirect(self) -> bool:
        """Whether the consumer is told to ask elsewhere (TS 29.500 6.10.9)."""
        return self.status is not None and 300 <= self.status < 400 and not self.is_good

    @property
    def is_unknown(self) -> bool:
        """Whether we may have missed what became of it."""
        return self.outcome == "unknown"

    @property
    def may_be_retried(self) -> bool:
        """Whether the consumer may have turned to another instance."""
        return self.status is None or self.status in RETRIED

    def encloses(self, other: "Seen") -> bool:
        """Tell whether `other` may be what a proxy made of this request: the same, while this one waited."""
        return (
            not other.is_hop_without_key
            and (self.operation, self.pdu_session_id) == (other.operation, other.pdu_session_id)
            and self.request_us <= other.request_us <= other.end_us <= self.end_us
        )

    @property
    def is_captured(self) -> bool:
        """Whether it comes from a capture file, which has edges."""
        return self.incarnation.startswith("capture:")


# The fields that a transaction has under the same names.
COPIED = tuple(
    name
    for name in Seen.__struct_fields__
    if name not in ("logical", "rank", "end_us", "is_hop_without_key", "reference")
)

# All that `seen` reads of a transaction.
NEEDED = frozenset(COPIED) | {
    "request_event_id", "response_us", "request_key", "exchange_key", "to_proxy", "subscriber_reference", "vantage",
    "version",
}  # fmt: skip


def seen(row: Mapping[str, Any]) -> Seen | None:
    """Return the step that a transaction (times in microseconds) is; None where it cannot be one."""
    if row["operation"] is None or row["request_event_id"] is None:
        return None
    return Seen(
        **{name: row[name] for name in COPIED},
        logical=row["request_key"] or row["exchange_key"],
        rank=_rank(row),
        end_us=row["response_us"] or row["request_us"] + row["deadline_ms"] * 1_000,
        is_hop_without_key=row["to_proxy"] and row["request_key"] is None,
        reference=row["subscriber_reference"],
    )


def _rank(row: Mapping[str, Any]) -> int:
    """Return how much a sighting is believed: known before unknown, producer before proxy, server end before client."""
    rank: int = 1_000 * (row["outcome"] != "unknown") + 100 * (not row["to_proxy"])
    rank += 10 * VANTAGES[row["vantage"]] + row["version"]
    return rank


def together(one: Seen, other: Seen) -> Seen:
    """Return what two sightings of the same request say: the more believed one, begun when either saw it begin."""
    best, rest = (other, one) if (other.rank, other.transaction_id) >= (one.rank, one.transaction_id) else (one, other)
    filled = {
        name: getattr(rest, name)
        for name in ("result", "supi", "pdu_session_id", "snssai", "dnn", "plmn", "consumer_nf", "producer_nf")
        if getattr(best, name) is None
    }
    return msgspec.structs.replace(best, request_us=min(one.request_us, other.request_us), **filled)
