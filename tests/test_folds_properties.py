"""The folds over random logs: a crash anywhere changes nothing, no outcome says more than was seen."""

import random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas.config import Streams
from streams.fold import Facts, Rows, batch_body
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from tests.kpis import DELTAS, DELTAS_TOPIC, EVENTS, KEY, KPI, TRANSACTION, Row, check, counted, read
from tests.logs import Faults, Log, log

SEEDS = st.integers(0, 2**32)
ODDS = st.sampled_from([0.0, 0.0, 0.02, 0.2])
FAULTS = st.builds(
    Faults,
    batch_lost=ODDS,
    event_lost=ODDS,
    batch_repeated=ODDS,
    restart=st.sampled_from([0.0, 0.5, 1.0]),
    death=st.sampled_from([0.0, 0.5]),
    clock_step_s=st.sampled_from([0.0, 3.0, 4_000.0]),
    delay_s=st.sampled_from([0.01, 0.5, 8.0]),
)
SLOW = settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
OUT = {TRANSACTIONS: 3, DELTAS_TOPIC: 2}


def pair(given_log: Log, crashes: set[int] = frozenset(), rules: Streams | None = None) -> tuple[list[Rows], Pairing]:
    """Run a log through pairing; before a message named in `crashes` the state goes through its bytes."""
    fold = Pairing(Facts(0, OUT), rules or Streams())
    out: list[Rows] = []
    for number, (append_ms, body) in enumerate(given_log.messages):
        if number in crashes:
            state = fold.dump()
            fold = Pairing(Facts(0, OUT), rules or Streams())
            fold.load(state)
            assert fold.dump() == state
        out += fold.apply(append_ms, EVENTS if body else None, body)
    return out, fold


def transactions(out: list[Rows]) -> dict[str, list[Row]]:
    """Return the versions of each transaction, in the order of the log."""
    found: dict[str, list[Row]] = {}
    for rows in out:
        if rows.topic == TRANSACTIONS:
            for octets in rows.records:
                row = read(TRANSACTION, octets)
                found.setdefault(row["transaction_id"], []).append(row)
    return found


def kpis(out: list[Rows], crashes: set[int] = frozenset()) -> tuple[list[Rows], list[KpiWindows]]:
    """Run the deltas of a pairing fold through the KPI folds behind it."""
    facts = [Facts(partition, {KPIS: 2, KPIS_JSON: 1}) for partition in range(OUT[DELTAS_TOPIC])]
    folds = [KpiWindows(one, Streams()) for one in facts]
    published: list[Rows] = []
    for number, rows in enumerate(rows for rows in out if rows.topic == DELTAS_TOPIC):
        if number in crashes:
            state = folds[rows.partition].dump()
            folds[rows.partition] = KpiWindows(facts[rows.partition], Streams())
            folds[rows.partition].load(state)
            assert folds[rows.partition].dump() == state
        message = batch_body(0, rows.first_number, rows.records)
        published += folds[rows.partition].apply(number * 100, DELTAS, message)
    return published, folds


@SLOW
@given(SEEDS, st.integers(1, 4), st.sampled_from([0.3, 2.0]), FAULTS)
def test_no_outcome_says_more_than_was_seen(seed: int, collectors: int, rate: float, faults: Faults) -> None:
    one = log(seed, collectors, rate, faults)
    out, fold = pair(one)
    told = transactions(out)
    assert len(fold.requests) == len(fold.responses) == 0
    for versions in told.values():
        assert [row["version"] for row in versions] == sorted({row["version"] for row in versions})
    orphans = 0
    for exchange in one.exchanges.values():
        row = told.get(exchange.transaction, [None])[-1]
        if "request" not in exchange.seen:
            assert row is None
            orphans += "response" in exchange.seen
            continue
        assert row is not None
        if "response" in exchange.seen:
            assert row["outcome"] not in {"unanswered", "unknown", "reset"}
            assert (row["outcome"] == "late") == (row["response_us"] > row["request_us"] + row["deadline_ms"] * 1_000)
        elif exchange.response_us is not None and exchange.response_us <= exchange.deadline_us:
            assert row["outcome"] == "unknown"  # it was answered, and we did not see it
        else:
            assert row["outcome"] in {"unanswered", "unknown"}
            if not exchange.faulty:
                assert row["outcome"] == ("unanswered" if exchange.deadline_us <= last_us(one) else "unknown")
    assert fold.counts["orphan_responses"] == orphans
    assert len(told) == orphans + sum("request" in exchange.seen for exchange in one.exchanges.values())


def last_us(one: Log) -> int:
    from tests.logs import END_S, T0, S

    return T0 + round((END_S + 20) * S)


@SLOW
@given(SEEDS, st.integers(1, 3), FAULTS, st.sampled_from([200_000, 7]))
def test_a_crash_anywhere_changes_no_row(seed: int, collectors: int, faults: Faults, bound: int) -> None:
    one = log(seed, collectors, 1.0, faults)
    rules = Streams(max_open_exchanges=bound)
    quiet, fold = pair(one, rules=rules)
    chance = random.Random(seed)
    crashes = {number for number in range(len(one.messages)) if chance.random() < 0.1}
    disturbed, other = pair(one, crashes, rules)
    assert disturbed == quiet
    assert other.dump() == fold.dump()
    numbers: dict[tuple[str, int], int] = {}
    for rows in quiet:
        place = rows.topic, rows.partition
        assert rows.first_number == numbers.get(place, 0) + 1
        numbers[place] = rows.first_number + len(rows.records) - 1


@SLOW
@given(SEEDS, st.integers(1, 3), FAULTS)
def test_kpis_equal_a_slow_count_and_a_crash_changes_none(seed: int, collectors: int, faults: Faults) -> None:
    out, _ = pair(log(seed, collectors, 1.0, faults))
    published, folds = kpis(out)
    deltas = sum(rows.topic == DELTAS_TOPIC for rows in out)
    chance = random.Random(seed)
    disturbed, others = kpis(out, {number for number in range(deltas) if chance.random() < 0.2})
    assert disturbed == published
    assert [fold.dump() for fold in others] == [fold.dump() for fold in folds]
    latest: dict[tuple[Any, ...], Row] = {}
    for rows in published:
        if rows.topic == KPIS:
            for octets in rows.records:
                row = read(KPI, octets)
                latest[row["window_s"], row["window_start_us"], *(row[name] for name in KEY)] = row
    check(latest, counted(versions[-1] for versions in transactions(out).values()))


@SLOW
@given(SEEDS, FAULTS)
def test_repeats_of_rows_change_no_kpi(seed: int, faults: Faults) -> None:
    out, _ = pair(log(seed, 2, 1.0, faults))
    published, _ = kpis(out)
    chance = random.Random(seed)
    again: list[Rows] = []
    for rows in out:
        again.append(rows)
        if rows.topic == DELTAS_TOPIC and chance.random() < 0.3:  # a writer came back and repeats what was delivered
            again += [one for one in again[-5:] if one.topic == DELTAS_TOPIC and one.partition == rows.partition]
    repeated, _ = kpis(again)
    assert [octets for rows in repeated for octets in rows.records] == [
        octets for rows in published for octets in rows.records
    ]
