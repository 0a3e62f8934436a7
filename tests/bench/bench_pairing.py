"""Events a second through the pairing fold, beside a loop with fastavro, and with many exchanges open; JSON lines.

python -m tests.bench.bench_pairing [EXCHANGES]
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import fastavro

from schemas.config import Streams
from schemas.fields import document
from schemas.identity import content_id
from streams.fold import Facts, batch_body
from streams.pairing import TRANSACTIONS, Pairing
from tests.bench.line import show
from tests.events import batch, request, response

EVENTS = document("sbi_event_batch")
PARSED = fastavro.parse_schema(EVENTS)
ROW = fastavro.parse_schema(document("sbi_transaction_batch"))["fields"][-1]["type"]["items"]
T0, MESSAGE, ROUNDS = 1_795_302_000_000_000, 200, 3
OUT = {TRANSACTIONS: 4, "sbi.kpi-deltas": 1}
OPERATIONS = ["Nudm_SDM_Get", "Nudr_DM_Query", "Nsmf_PDUSession_CreateSMContext", "Nnrf_NFDiscovery_Request"]


def messages(exchanges: int, gap_us: int = 50) -> list[bytes]:
    """Return batches of events as large as a core's: half of them requests, their answers 5 ms behind."""
    answered = 5_000 // gap_us
    events: list[tuple[Any, ...]] = []
    for number in range(exchanges + answered):
        if number < exchanges:
            events.append(request(number * 2 + 1, T0 + number * gap_us, f"c{number % 40}", **said(number)))
        if number >= answered:
            place = number - answered
            answer = said(place) | {"status": 200, "server": "Open5GS v2.7.7", "content_type": "application/json"}
            events.append(response(place * 2 + 1, T0 + number * gap_us, f"c{place % 40}", **answer))
    out = []
    for sequence, first in enumerate(range(0, len(events), MESSAGE), 1):
        reached = T0 + first // 2 * gap_us - 10_000
        out.append(batch(sequence, events[first : first + MESSAGE], reached, clock_us=reached + 20_000))
    return out


def said(number: int) -> dict[str, Any]:
    """Return what an Open5GS message carries."""
    return {
        "path": f"/nudm-sdm/v2/imsi-99970-k1-{content_id(str(number % 5_000))}/am-data",
        "authority": "udm.5gc.mnc070.mcc999.3gppnetwork.org",
        "operation": OPERATIONS[number % 4],
        "operation_source": "catalogue",
        "service": "nudm-sdm",
        "api_version": "v2",
        "resource": "/{supi}/am-data",
        "consumer_nf": "AMF",
        "consumer_nf_source": "user_agent",
        "producer_nf": "UDM",
        "producer_nf_source": "service",
        "supi": f"imsi-99970-k1-{content_id(str(number % 5_000))}",
        "supi_source": "path",
        "plmn": "99970",
        "user_agent": "AMF",
        "max_rsp_time_ms": 10_000,
        "sender_timestamp_us": T0 + number,
        "request_key": content_id("key", str(number)),
        "body_bytes": 700,
    }


def fold(bodies: list[bytes]) -> None:
    """Run the fold as a worker does."""
    pairing = Pairing(Facts(0, OUT), Streams())
    for number, body in enumerate(bodies):
        for rows in pairing.apply(T0 // 1_000 + number * 20, EVENTS, body):
            batch_body(0, rows.first_number, rows.records)


def loop(bodies: list[bytes]) -> None:
    """The baseline: fastavro decodes, dictionaries pair, fastavro encodes; no deadlines, no loss, no KPIs, no state."""
    waiting: dict[tuple[str, int], dict[str, Any]] = {}
    shared = [field["name"] for field in ROW["fields"]]
    for body in bodies:
        decoded: Any = fastavro.schemaless_reader(io.BytesIO(body), PARSED, None)
        out = io.BytesIO()
        for event in decoded["events"]:
            key = event["connection_id"], event["stream_id"]
            if event["half"] == "request":
                waiting[key] = event
            elif (asked := waiting.pop(key, None)) is not None:
                row = {name: event.get(name) if event.get(name) is not None else asked.get(name) for name in shared}
                row |= {"transaction_id": content_id(*map(str, key)), "version": 2, "outcome": "success"}
                row |= {"site": decoded["site"], "node": decoded["node"], "shard": 0, "deadline_ms": 10_000}
                row |= {"incarnation": decoded["incarnation"], "request_us": asked["first_byte_us"], "to_proxy": False}
                row |= {"request_header_facts": asked["header_facts"], "response_header_facts": event["header_facts"]}
                fastavro.schemaless_writer(out, ROW, row)


def open_exchanges(count: int) -> float:
    """Return microseconds an event costs while `count` other exchanges stay open."""
    rules = Streams(max_open_exchanges=2_000_000)
    pairing = Pairing(Facts(0, OUT), rules)
    waiting = [
        request(number * 2 + 1, T0 + 1_000_000, "idle", max_rsp_time_ms=60_000) for number in range(min(count, 1_000))
    ]
    for sequence in range(1, count // 1_000 + 1 if count >= 1_000 else 2):
        events = [(*one[:2], content_id(f"idle{sequence}"), *one[3:]) for one in waiting]
        pairing.apply(T0 // 1_000, EVENTS, batch(sequence, events, T0, node="idle"))
    return (
        timed(lambda bodies: [pairing.apply(T0 // 1_000, EVENTS, body) for body in bodies], messages(20_000)) / 40_000
    )


def timed(run: Callable[[list[bytes]], object], given: list[bytes]) -> float:
    """Return the microseconds of one run."""
    begin = time.perf_counter()
    run(given)
    return (time.perf_counter() - begin) * 1e6


def main() -> None:
    """Measure all, candidates in turn."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    bodies = messages(exchanges)
    events = 2 * exchanges
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timed(fold, bodies))
        theirs.append(timed(loop, bodies))
    per_s, base = (events / statistics.median(times) * 1e6 for times in (ours, theirs))
    show("pairing fold", per_s, "events/s", "fastavro loop", base)
    few = open_exchanges(100)
    for count in (10_000, 1_000_000):
        many = open_exchanges(count)
        show(f"pairing, {count} open", many, "us/event", "100 open", few)


if __name__ == "__main__":
    main()
