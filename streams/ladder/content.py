"""What a ladder shows: who talked to whom, in order, each logical request once, and the procedures it belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.procedure_kinds import Key, kinds

VANTAGES = {"client": 0, "wire": 1, "server": 2}
FINE = frozenset({"success", "redirect", "business"})
MOST_ARROWS = 2_000
# Lifelines stand in the order of the core; others follow as they come.
ORDER = ("AMF", "SMF", "AUSF", "UDM", "UDR", "PCF", "BSF", "CHF", "NSSF", "SMSF", "NRF", "SCP", "SEPP")


@dataclass(frozen=True, slots=True)
class Arrow:
    """One logical request: all its sightings and hops. `at_us`: since the epoch; `proxy_us`: what the proxy added."""

    at_us: int
    source: str
    target: str
    label: str
    status: int | None
    outcome: str
    cause: str | None
    duration_us: int | None
    proxy: str | None
    proxy_us: int | None
    session: int | None
    transactions: tuple[str, ...]

    @property
    def is_fine(self) -> bool:
        """Whether it was answered, and well."""
        return self.outcome in FINE

    @property
    def answer(self) -> str:
        """What came back, in words."""
        code = str(self.status) if self.status is not None else self.outcome
        words = [code, None if self.is_fine or self.outcome == code else self.outcome, self.cause]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Bracket:
    """One procedure beside the arrows; `first`, `last`: places of its arrows."""

    kind: str
    outcome: str
    failed_step: str | None
    duration_us: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Ladder:
    """Everything of one subscriber in a period. `left_out`: requests beyond the bound."""

    subscriber: str
    lifelines: tuple[str, ...]
    arrows: tuple[Arrow, ...]
    brackets: tuple[Bracket, ...]
    left_out: int


Row = Mapping[str, Any]


def ladder(subscriber: str, transactions: Iterable[Row], procedures: Iterable[Row]) -> Ladder:
    """Return the ladder of transactions and procedures: rows in the fields of their schemas, times in microseconds."""
    groups: dict[str, list[Row]] = {}
    for row in transactions:
        if row["request_event_id"] is not None:
            groups.setdefault(row["request_key"] or row["exchange_key"], []).append(row)
    arrows = sorted(map(_arrow, groups.values()), key=lambda one: (one.at_us, one.transactions))
    shown = tuple(arrows[:MOST_ARROWS])
    named = dict.fromkeys(name for one in shown for name in (one.source, one.proxy, one.target) if name)
    lifelines = [name for name in ORDER if name in named] + [name for name in named if name not in ORDER]
    return Ladder(subscriber, tuple(lifelines), shown, tuple(_brackets(shown, procedures)), len(arrows) - len(shown))


def _arrow(sightings: list[Row]) -> Arrow:
    """Return one request of all that was seen of it: the producer's own end is believed first."""
    best = max(sightings, key=_trust)
    hops = [one for one in sightings if one["to_proxy"]]
    outer = max(hops, key=_trust) if hops else None
    proxy = None
    if outer is not None:
        proxy = "SCP" if outer is best else _proxy(best)
    waited, served = outer and outer["duration_us"], best["duration_us"]
    both = outer is not None and outer is not best and waited is not None and served is not None
    return Arrow(
        at_us=min(one["request_us"] for one in sightings),
        source=best["consumer_nf"] or _address(best, "client"),
        target=best["producer_nf"] or _address(best, "server"),
        label=best["operation"] or f"{best['method'] or '?'} {best['resource'] or best['path'] or '?'}",
        status=best["status"],
        outcome=best["outcome"],
        cause=best["cause"],
        duration_us=best["duration_us"],
        proxy=proxy,
        proxy_us=max(waited - served, 0) if both else None,
        session=best["pdu_session_id"],
        transactions=tuple(sorted(one["transaction_id"] for one in sightings)),
    )


def _trust(row: Row) -> tuple[bool, bool, int, int, str]:
    known = row["outcome"] != "unknown"
    return known, not row["to_proxy"], VANTAGES[row["vantage"]], row["version"], row["transaction_id"]


def _proxy(row: Row) -> str:
    return "SEPP" if row["via"] and "SEPP" in row["via"] else "SCP"


def _address(row: Row, end: str) -> str:
    return f"{row[f'{end}_address']}:{row[f'{end}_port']}"


def _brackets(arrows: tuple[Arrow, ...], procedures: Iterable[Row]) -> Iterable[Bracket]:
    """Return the procedures of which arrows are shown, the longer ones first where they begin together.

    What is one request that went well says nothing that its arrow does not.
    """
    places = {name: place for place, one in enumerate(arrows) for name in one.transactions}
    found = []
    for row in procedures:
        own = [places[name] for name in row["step_transactions"] if name in places]
        kind = kinds().get(row["kind"])
        is_lone = kind is not None and kind.key is Key.REQUEST and row["outcome"] == "success"
        if own and not is_lone:
            found.append(
                Bracket(row["kind"], row["outcome"], row["failed_step"], row["duration_us"], min(own), max(own))
            )
    return sorted(found, key=lambda one: (one.first, -one.last, one.kind))
