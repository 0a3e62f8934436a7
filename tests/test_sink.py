"""streams/sink.py, store.py: whatever comes, each good row is stored once, each bad message comes back."""

import asyncio
import copy
import io
import itertools
import json
from collections.abc import Iterable
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.refusal import Refusal
from streams.clickhouse import connect, rows
from streams.migrate import migrate
from streams.reframe import Layout
from streams.sink import POISON_LIMIT, TARGETS, BadRows, Gathering
from streams.store import Table, insist
from tests import engine, generate

SCHEMA = json.loads((generate.SCHEMAS / "sbi_transaction_batch.avsc").read_text())
POOL = list(generate.transactions(60))
TARGET = TARGETS["transactions"]


class Memory:
    """Keeps what is stored; refuses rows of transactions named bad; is away while told so."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.away = 0
        self.calls = 0

    def store(self, layout: Layout, pieces: Iterable[bytes]) -> None:
        self.calls += 1
        if self.away:
            self.away -= 1
            raise ConnectionError("away")
        found = [row["transaction_id"] for row in fastavro.reader(io.BytesIO(b"".join(pieces)))]
        if any(one.startswith("bad") for one in found):
            raise BadRows("one is bad")
        self.stored += found


def gathering() -> Gathering:
    new = Gathering(TARGET)
    new.assign(0, b"")
    return new


def send(to: Gathering, many: list[dict[str, Any]], first: int, offset: int = 0, paired_in: int = 0) -> object:
    body = generate.encode_batch(many, paired_in, first)
    return to.take(0, offset, b"framed" + body, SCHEMA, body)


def named(number: int) -> dict[str, Any]:
    return POOL[number % len(POOL)] | {"transaction_id": f"{number}"}


def test_a_message_that_comes_twice_is_stored_once() -> None:
    sink, memory = gathering(), Memory()
    for first, last in ((1, 3), (1, 3), (2, 5), (4, 4), (6, 9), (3, 8)):
        assert send(sink, [named(number) for number in range(first, last + 1)], first) is None
    assert sink.seal().store(memory.store) == []
    assert memory.stored == [str(number) for number in range(1, 10)]
    assert (sink.repeated, sink.skipped, memory.calls, sink.rows) == (3 + 2 + 1 + 6, 0, 1, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), max_size=12), st.data())
def test_any_repetition_and_any_restart_give_each_row_once(batches: list[tuple[int, int]], data: st.DataObject) -> None:
    """Two partitions of the stage before; messages replayed from any point; the state carried over a restart."""
    numbers, log = {0: 1, 1: 1}, []
    for paired_in, count in batches:
        log.append((paired_in, numbers[paired_in], count))
        numbers[paired_in] += count
    sink, memory, at = gathering(), Memory(), 0
    while at < len(log):
        paired_in, first, count = log[at]
        send(sink, [named(1000 * paired_in + number) for number in range(first, first + count)], first, at, paired_in)
        at += 1
        if data.draw(st.booleans()):
            block = sink.seal()
            block.store(memory.store)
            assert block.offsets == {0: at}
            if data.draw(st.booleans()):
                sink = Gathering(TARGET)
                sink.assign(0, block.states[0])
                at = data.draw(st.integers(0, at))
    sink.seal().store(memory.store)
    wanted = [str(1000 * key + number) for key, end in numbers.items() for number in range(1, end)]
    assert sorted(memory.stored) == sorted(wanted)
    assert sink.skipped == 0


def test_a_jump_is_counted_and_never_stops_a_partition() -> None:
    sink, memory = gathering(), Memory()
    send(sink, [named(1)], 1)
    send(sink, [named(5), named(6)], 5)
    sink.seal().store(memory.store)
    assert (memory.stored, sink.skipped) == (["1", "5", "6"], 3)


def test_a_topic_of_one_record_a_message_needs_no_numbers() -> None:
    sink, memory = Gathering(TARGETS["kpis"]), Memory()
    sink.assign(0, b"")
    bare = SCHEMA["fields"][-1]["type"]["items"] | {"namespace": SCHEMA["namespace"]}
    for offset in range(3):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(bare)), named(offset))
        assert sink.take(0, offset, out.getvalue(), bare, out.getvalue()) is None
    block = sink.seal()
    assert block.store(memory.store) == []
    assert (memory.stored, block.offsets, block.states) == (["0", "1", "2"], {0: 3}, {0: b"{}"})


@pytest.mark.parametrize("bad", [{0}, {6}, {3}, {0, 6}, {2, 3, 4}, set(range(7))])
def test_bad_messages_are_isolated_and_the_others_stored(bad: set[int]) -> None:
    sink, memory = gathering(), Memory()
    for number in range(7):
        row = named(number + 1) | ({"transaction_id": f"bad {number}"} if number in bad else {})
        send(sink, [row], number + 1, offset=100 + number)
    poisoned = sink.seal().store(memory.store)
    assert [one.offset - 100 for one in poisoned] == sorted(bad)
    assert all(one.value.startswith(b"framed") and one.reason == "one is bad" for one in poisoned)
    assert memory.stored == [str(number + 1) for number in range(7) if number not in bad]


def test_garbage_comes_back_at_once_with_its_bytes() -> None:
    sink = gathering()
    poisoned = sink.take(0, 7, b"garbage", SCHEMA, b"\x02\x04\x06junk")
    assert poisoned is not None
    assert (poisoned.offset, poisoned.value) == (7, b"garbage")
    assert poisoned.reason
    assert (sink.rows, sink.waiting) == (0, [])


def test_nothing_but_poison_stops_the_sink_with_one_line() -> None:
    sink, memory = gathering(), Memory()
    for number in range(POISON_LIMIT + 1):
        send(sink, [named(number) | {"transaction_id": "bad"}], number + 1, offset=number)
    with pytest.raises(Refusal, match="the sink stops"):
        sink.seal().store(memory.store)


def test_while_the_store_is_away_a_block_waits_and_others_gather() -> None:
    sink, memory = gathering(), Memory()
    send(sink, [named(1), named(2)], 1)
    block = sink.seal()
    memory.away = 2
    for number in (3, 4):
        with pytest.raises(ConnectionError):
            block.store(memory.store)
        send(sink, [named(number)], number, offset=number)
    assert block.store(memory.store) == []
    assert memory.stored == ["1", "2"]
    assert (block.offsets, json.loads(block.states[0])) == ({0: 1}, {"0": 2})
    later = sink.seal()
    later.store(memory.store)
    assert memory.stored == ["1", "2", "3", "4"]
    assert (later.offsets, json.loads(later.states[0])) == ({0: 5}, {"0": 4})
    assert (sink.seal().offsets, sink.rows) == ({}, 0)


def test_an_outage_is_sat_out_and_told_once() -> None:
    sink, memory = gathering(), Memory()
    send(sink, [named(1), named(2)], 1)
    memory.away = 2
    told: list[str] = []
    assert asyncio.run(insist(sink.seal(), memory.store, told.append)) == []
    assert memory.stored == ["1", "2"]
    assert told == ["ClickHouse is away, rows wait in Kafka: away", "ClickHouse is back"]


def test_repeats_and_garbage_move_the_offsets_too() -> None:
    sink, memory = gathering(), Memory()
    send(sink, [named(1)], 1, offset=0)
    sink.seal().store(memory.store)
    send(sink, [named(1)], 1, offset=1)
    sink.take(0, 2, b"x", SCHEMA, b"x")
    block = sink.seal()
    assert (block.offsets, block.messages) == ({0: 3}, [])
    assert block.store(memory.store) == []


def test_after_a_revocation_nothing_of_before_is_stored_or_remembered() -> None:
    sink, memory = gathering(), Memory()
    send(sink, [named(1)], 1)
    sink.revoke()
    assert (sink.rows, sink.seal().offsets) == (0, {})
    send(sink, [named(1), named(2)], 1, offset=5)
    sink.seal().store(memory.store)
    assert memory.stored == ["1", "2"]


@pytest.mark.stack
@pytest.mark.parametrize("compressed", [False, True])
def test_reframed_rows_equal_decoded_rows_in_the_real_engine(compressed: bool) -> None:
    _, client = engine.emptied()
    sink = gathering()
    for number, start in enumerate(range(0, 60, 7)):
        send(sink, POOL[start : start + 7], start + 1, number)
    assert sink.seal().store(Table(client, TARGET.table, compressed).store) == []
    names = ", ".join(generate.NAMES)
    digest = f"SELECT count(), groupBitXor(cityHash64({names})) FROM transactions FINAL"
    reframed = rows(client, digest)
    engine.truncate(client, "transactions")
    body = generate.encode_batch(POOL)
    decoded = fastavro.schemaless_reader(io.BytesIO(body), generate.BATCH, None)["transactions"]
    table = [[row[name] for name in generate.NAMES] for row in decoded]
    client.insert("transactions", table, column_names=generate.NAMES)
    assert reframed == rows(client, digest)
    assert reframed[0][0] == 60


@pytest.mark.stack
def test_a_higher_version_replaces_and_a_repeat_does_nothing() -> None:
    _, client = engine.emptied()
    store = Table(client, TARGET.table).store
    late = POOL[0] | {"version": 5, "outcome": "late"}
    for first, batch in enumerate(([late], [POOL[0]], POOL[:3], POOL[:3]), 1):
        sink = gathering()
        send(sink, batch, first)
        sink.seal().store(store)
    assert rows(client, "SELECT count(), countIf(outcome = 'late') FROM exchanges") == [(3, 1)]


@pytest.mark.stack
def test_versions_that_arrive_in_one_block_are_one_row_before_any_merge() -> None:
    _, client = engine.emptied()
    client.command("SYSTEM STOP MERGES")
    late = POOL[0] | {"version": 5, "outcome": "late"}
    sink = gathering()
    send(sink, [POOL[0], *POOL[:3], late], 1)
    send(sink, POOL[:2], 6, offset=1)
    try:
        sink.seal().store(Table(client, TARGET.table).store)
        assert rows(client, "SELECT count() FROM transactions") == [(7,)]
        for seen in ("transactions FINAL", "exchanges"):
            assert rows(client, f"SELECT count(), countIf(outcome = 'late') FROM {seen}") == [(3, 1)]
    finally:
        client.command("SYSTEM START MERGES")


@pytest.mark.stack
def test_a_block_is_stored_as_one_file_not_some_a_column() -> None:
    _, client = engine.emptied()
    sink = gathering()
    send(sink, [row | {"path": f"/{'x' * 500_000}"} for row in POOL], 1)
    sink.seal().store(Table(client, TARGET.table).store)
    parts = "FROM system.parts WHERE active AND database = currentDatabase() AND table = 'transactions'"
    ((kind, size),) = rows(client, f"SELECT any(part_type), sum(data_uncompressed_bytes) {parts}")
    assert kind == "Compact"
    assert size > 10_485_760  # from here on the engine's default would make files of each column


@pytest.mark.stack
def test_poison_in_the_real_engine_goes_alone_and_the_rest_is_stored() -> None:
    _, client = engine.emptied()
    sink = gathering()
    for number in range(23):
        body = generate.encode_batch([POOL[number]], 0, number + 1)
        if number in {4, 17}:
            body = body[:40] + body[-5:]  # a batch whose records end too early
        sink.take(0, number, body, SCHEMA, body)
    poisoned = sink.seal().store(Table(client, TARGET.table).store)
    assert [one.offset for one in poisoned] == [4, 17]
    assert rows(client, "SELECT count() FROM transactions FINAL") == [(21,)]


@pytest.mark.stack
def test_writers_of_yesterday_and_of_tomorrow_store_into_the_table_of_today() -> None:
    _, client = engine.emptied()
    older, newer = copy.deepcopy(SCHEMA), copy.deepcopy(SCHEMA)
    fields = older["fields"][-1]["type"]["items"]["fields"]
    fields.remove(next(field for field in fields if field["name"] == "cause"))
    newer["fields"][-1]["type"]["items"]["fields"].append({"name": "mood", "type": "string", "default": ""})
    sink = gathering()
    for first, schema in zip(itertools.count(1), (SCHEMA, older, newer, SCHEMA)):
        out = io.BytesIO()
        row = named(first) | {"cause": "X", "mood": "high"}
        batch = {"input_partition": 0, "first_number": first, "transactions": [row]}
        fastavro.schemaless_writer(out, fastavro.parse_schema(copy.deepcopy(schema)), batch)
        assert sink.take(0, first, out.getvalue(), schema, out.getvalue()) is None
    assert sink.seal().store(Table(client, TARGET.table).store) == []
    stored = rows(client, "SELECT transaction_id, cause FROM transactions FINAL ORDER BY 1")
    assert stored == [("1", "X"), ("2", None), ("3", "X"), ("4", "X")]


@pytest.mark.stack
def test_times_no_calendar_has_are_stored_and_stop_nothing() -> None:
    _, client = engine.emptied()
    odd = [-(2**62), -1, 0, 2**53, 2**62]
    sink = gathering()
    send(sink, [named(number) | {"request_us": at} for number, at in enumerate(odd)], 1)
    a_day_each = [named(100 + day) | {"request_us": day * 86_400_000_000} for day in range(150)]
    send(sink, a_day_each, len(odd) + 1)
    assert sink.seal().store(Table(client, TARGET.table).store) == []
    assert rows(client, "SELECT count() FROM transactions FINAL") == [(155,)]


@pytest.mark.stack
def test_without_a_table_it_waits_for_the_schema() -> None:
    account = engine.empty()
    connect(account, "default").command(f"CREATE DATABASE {account.database}")
    client = connect(account)
    sink = gathering()
    send(sink, [named(1)], 1)
    block = sink.seal()
    with pytest.raises(ConnectionError, match="sbiscope schema"):
        block.store(Table(client, TARGET.table).store)
    engine.drop(account)
    migrate(connect(account, "default"), engine.form(account), "late")
    assert block.store(Table(connect(account), TARGET.table).store) == []
    assert rows(connect(account), "SELECT count() FROM exchanges") == [(1,)]
