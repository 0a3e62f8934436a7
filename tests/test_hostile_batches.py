"""What a fold is given may be anything that carries the mark of one of our schemas: damaged, cut, of hostile hands.

It takes it or sets it aside, the state then as it was, and goes on: nothing else may be raised, at once or later.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from schemas.config import Streams
from schemas.fields import document
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts, Fold, Jump, Rows, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_row import encode
from streams.kpi_windows import KPIS, KPIS_JSON, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from streams.procedures import PROCEDURES, PROCEDURES_JSON, Procedures
from streams.reframe import Malformed
from tests.events import batch, request, response
from tests.test_alerts import window

T0 = 1_795_302_000_000_000
TRIALS = 400
SCHEMAS = {
    "pairing": document("sbi_event_batch"),
    "kpis": document("kpi_delta_batch"),
    "procedures": document("sbi_transaction_batch"),
    "alerts": document("kpi"),
}
FOLDS: dict[str, Callable[[], Fold]] = {
    "pairing": lambda: Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 1}), Streams()),
    "kpis": lambda: KpiWindows(Facts(0, {KPIS: 1, KPIS_JSON: 1}), Streams()),
    "procedures": lambda: Procedures(Facts(0, {PROCEDURES: 1, PROCEDURES_JSON: 1})),
    "alerts": lambda: Alerts(Facts(0, {ALERTS: 1, ALERTS_JSON: 1})),
}
SAID: dict[str, Any] = {
    "path": "/nudm-sdm/v2/imsi-99970-k1-" + "a" * 32 + "/am-data",
    "service": "nudm-sdm",
    "operation": "Nudm_SDM_Get",
    "operation_source": "catalogue",
    "consumer_nf": "AMF",
    "producer_nf": "UDM",
    "supi": "imsi-99970-k1-" + "a" * 32,
    "dnn": "größer",
    "sbi_headers": {"3gpp-sbi-oci": "x" * 70, "via": "ü"},
}


def second(number: int) -> bytes:
    """Return a batch: an exchange, a request without answer, an answer without request."""
    at_us = T0 + number * 1_000_000
    events = [
        request(4 * number + 1, at_us, **SAID),
        response(4 * number + 1, at_us + 900, **SAID),
        request(4 * number + 3, at_us, max_rsp_time_ms=2_000, **SAID),
        response(4 * number + 5, at_us + 5, **SAID | {"cause": "CONTEXT_NOT_FOUND", "status": 404}),
    ]
    return batch(number + 1, events, at_us + 1_000)


@cache
def given() -> Mapping[str, list[bytes]]:
    """Return what each fold takes from 40 s of traffic."""
    found: dict[str, list[bytes]] = defaultdict(list)
    pairing, kpis = FOLDS["pairing"](), FOLDS["kpis"]()
    for number in range(40):
        found["pairing"].append(second(number))
        now_ms = T0 // 1_000 + number * 1_000
        for rows in pairing.apply(now_ms, SCHEMAS["pairing"], found["pairing"][-1]):
            name = "procedures" if rows.topic == TRANSACTIONS else "kpis"
            found[name].append(batch_body(0, rows.first_number, rows.records))
            for told in kpis.apply(now_ms, SCHEMAS["kpis"], found[name][-1]) if name == "kpis" else ():
                found["alerts"] += told.records if told.topic == KPIS else ()
    return found


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Return a body with some octets changed, now and then cut short."""
    octets = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        place = chance.randrange(len(octets))
        octets[place] = chance.choice((octets[place] ^ 1 << chance.randrange(8), 0, 1, 127, 128, 254, 255))
    return bytes(octets[: chance.randrange(len(octets))] if chance.random() < 0.1 else octets)


def assert_taken_behind(told: list[Rows], now_ms: int) -> None:
    """Whatever a stage makes of it can be read by the stages behind it: set aside there, it would be a jump."""
    behind = {TRANSACTIONS: FOLDS["procedures"](), DELTAS: FOLDS["kpis"](), KPIS: FOLDS["alerts"]()}
    for rows in told:
        fold = behind.get(rows.topic)
        if isinstance(fold, Alerts):
            for record in rows.records:
                fold.apply(now_ms, SCHEMAS["alerts"], record)
        elif fold is not None:
            name = "procedures" if rows.topic == TRANSACTIONS else "kpis"
            fold.pass_over()
            fold.apply(now_ms, SCHEMAS[name], batch_body(0, rows.first_number, rows.records))
            assert_taken_behind(fold.apply(now_ms + 100_000, None, b""), now_ms)


@pytest.mark.parametrize("name", FOLDS)
def test_whatever_comes_is_taken_or_set_aside_and_the_fold_goes_on(name: str) -> None:
    seen: Counter[str] = Counter()
    bodies, schema, chance = given()[name], SCHEMAS[name], random.Random(7)
    for _ in range(TRIALS):
        fold, begun, now_ms = FOLDS[name](), chance.randrange(6), T0 // 1_000
        for body in bodies[:begun]:
            fold.apply(now_ms, schema, body)
        before, told = fold.dump(), list[Rows]()
        try:
            told += fold.apply(now_ms + 100, schema, damaged(bodies[begun], chance))
            seen["taken"] += 1
        except Malformed:
            assert fold.dump() == before
            seen["set aside"] += 1
        except Jump:  # its numbers were damaged: the process ends, as it must where rows are lost
            continue
        told += fold.apply(now_ms + 2_000, None, b"")
        assert_taken_behind(told, now_ms)
        again = FOLDS[name]()
        again.load(fold.dump())
        assert again.dump() == fold.dump()
        for body in bodies[begun + 1 : begun + 4]:
            try:
                again.apply(now_ms + 1_000, schema, body)
            except (Malformed, Jump):
                break
        for later in range(3):
            again.apply(now_ms + 100_000 * later, None, b"")
    assert min(seen["taken"], seen["set aside"]) > TRIALS // 10, seen


PARTS: tuple[Any, ...] = (
    *("string", "long", "null", "bytes", "double", "SbiEvent", {}, [], None, 7, {"fields": None}, ["null"]),
    *(["null", "string"], ["null", "string", "int"], {"type": {"type": "long"}}, {"type": "array", "items": "long"}),
    *({"type": "map", "values": "string"}, {"type": "fixed", "name": "F", "size": 4}),
    {"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]},
)


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each part of a JSON document."""
    yield path
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, one in inner:
        yield from places(one, (*path, name))


def altered(schema: Any, chance: random.Random) -> Any:
    """Return a schema with one part another, or left out."""
    schema = json.loads(json.dumps(schema))
    *outer, last = chance.choice([path for path in places(schema) if path])
    around: Any = schema
    for name in outer:
        around = around[name]
    if chance.random() < 0.3:
        del around[last]
    else:
        around[last] = chance.choice(PARTS)
    return schema


@pytest.mark.parametrize("name", FOLDS)
def test_whatever_schema_was_published_its_batches_are_taken_or_set_aside(name: str) -> None:
    """Of a later release, of somebody else: it stands under its mark, and no more is known of it."""
    seen: Counter[bool] = Counter()
    chance = random.Random(11)
    for schema in [*(altered(SCHEMAS[name], chance) for _ in range(TRIALS)), *PARTS]:
        try:
            FOLDS[name]().apply(T0 // 1_000, schema, given()[name][0])
            seen[True] += 1
        except (Malformed, Jump):
            seen[False] += 1
    assert min(seen.values()) > TRIALS // 10, seen


TEXTS = ("event_id", "connection_id", "path", "dnn", "user_agent", "cause", "exchange_key")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("planted", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"x" * 70 + b"\xfe"])
def test_a_text_that_is_none_is_set_aside_and_not_found_later(name: str, planted: bytes) -> None:
    mark = "?" * len(planted)
    good = batch(1, [request(1, T0, **SAID | {name: mark})], T0)
    bad = good.replace(mark.encode(), planted)
    fold = FOLDS["pairing"]()
    before = fold.dump()
    with pytest.raises(Malformed, match=f"the {name} of an event is not UTF-8"):
        fold.apply(0, SCHEMAS["pairing"], bad)
    assert fold.dump() == before
    fold.apply(0, SCHEMAS["pairing"], good)


def test_texts_of_any_language_in_any_place_are_taken() -> None:
    maps: dict[str, Any] = {"sbi_headers": {"é" * 40: "名" * 30, "a": ""}, "pod_labels": {"ж": "x" * 200}}
    fold = FOLDS["pairing"]()
    fold.apply(0, SCHEMAS["pairing"], batch(1, [request(1, T0, path="/ü" * 50, missing=("ß", "a" * 64), **maps)], T0))
    planted: list[dict[str, Any]] = [
        {"sbi_headers": {"a": "??"}},
        {"missing": ("a" * 64, "??")},
        {"pod_labels": {"??": "b"}},
    ]
    for values in planted:
        bad = batch(2, [request(3, T0, "c", **values)], T0).replace(b"??", b"\xc3\x28")
        with pytest.raises(Malformed, match=f"the {next(iter(values))} of an event is not UTF-8"):
            fold.apply(0, SCHEMAS["pairing"], bad)


def test_captured_octets_are_no_text() -> None:
    fold = FOLDS["pairing"]()
    fold.apply(0, SCHEMAS["pairing"], batch(1, [request(1, T0, body=b"\xff\xfe\x80" * 30)], T0))
    assert len(fold.dump()) > 0


def test_a_window_of_no_length_is_no_kpi() -> None:
    for length_s in (0, -60):
        with pytest.raises(Malformed, match=f"a window of {length_s} s"):
            FOLDS["alerts"]().apply(0, SCHEMAS["alerts"], encode(window(0, 60) | {"window_s": length_s}))
