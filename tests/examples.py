"""Makes schemas/examples: one message of each schema, as Kafka has it and as JSON: `python -m tests.examples`."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fastavro
from msgspec import structs

from collector.agent_status import delivery_of
from collector.avro import encode_batch
from collector.batch import Batch
from collector.flows import flow_of
from collector.pcap_source import PcapSource
from collector.record import Moved
from collector.workload import Workload
from deploy import place_record
from deploy.capture import meaning_of, run_capture
from schemas.config import Site, load
from schemas.fields import document
from schemas.framing import frame, unframe
from schemas.jsonform import json_form
from schemas.plain import without_logical_types
from streams.alert_row import encode as encode_alert
from streams.fold import Facts, batch_body
from streams.kpi_windows import KPIS, KpiWindows
from streams.pairing import TRANSACTIONS, Pairing
from streams.places import Place
from streams.procedures import PROCEDURES, Procedures
from streams.runtime.link import Message
from streams.runtime.quarantine import quarantined
from tests.test_agent_status import STATUS
from tests.test_alerts import counts, window
from tests.test_alerts import run as alerts_of
from tests.test_flows import CLOSE, SEER, head

FOLDER = Path(__file__).parent.parent / "schemas" / "examples"
CAPTURE = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"
DELTAS = "sbi.kpi-deltas"


def examples() -> Iterator[tuple[str, bytes]]:
    """Yield (schema, body) of each example: a registration in a recorded core, and what is seen beside it."""
    yield "agent", delivery_of(replace(STATUS, node="n1")).body
    yield "flow", flow_of(SEER, head(), Moved(1_002, 501, 0, CLOSE, 4, 3, 0), Workload("/usr/bin/postgres")).body
    smf = Place("10.2.0.8", 1_795_381_003_000_000, "pod", "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a21", "smf-0", "core")
    smf = structs.replace(
        smf, workload="Deployment/smf", node="n2", containers={"nf": "smf:2.7"}, labels={"app": "smf"}
    )
    yield "place", place_record.encode("lab", smf, 1_795_381_060_000_000)[0]
    bad = counts(100, answered=50, unanswered=50, failed=50)
    yield "alert", encode_alert(alerts_of_one(window(29_000_000, 60, **bad)))
    message = Message(3, 41, 1_700_000_000_000, b"\xc3\x01 no event")
    yield (
        "quarantined",
        quarantined("pairing", "sbi.events", message, 1, "no schema is known of its mark", 1).records[0],
    )
    yield from _of_the_capture()


def alerts_of_one(kpi: dict[str, object]) -> dict[str, object]:
    from streams.alerts import ALERTS, ALERTS_JSON, Alerts

    (alert,) = alerts_of(Alerts(Facts(0, {ALERTS: 1, ALERTS_JSON: 1})), [kpi])
    return alert


def _of_the_capture() -> Iterator[tuple[str, bytes]]:
    config = replace(load(None), site=Site("lab", "n1"))
    batches: list[Batch] = []
    run_capture(PcapSource(CAPTURE, 0.0), config, meaning_of(config.collector), batches.append)
    first = next(one for one in batches if len(one.events) > 1)
    yield "sbi_event_batch", encode_batch(first.header, first.events[:2])
    pairing = Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 1}), config.streams)
    windows, procedures = KpiWindows(Facts(0, {KPIS: 1}), config.streams), Procedures(Facts(0, {PROCEDURES: 1}))
    found: dict[str, bytes] = {}
    for batch in batches:
        now_ms = batch.header.clock_us // 1_000
        for rows in pairing.apply(now_ms, document("sbi_event_batch"), encode_batch(batch.header, batch.events)):
            body = batch_body(0, rows.first_number, rows.records)
            schema, fold = {
                TRANSACTIONS: ("sbi_transaction_batch", procedures),
                DELTAS: ("kpi_delta_batch", windows),
            }[rows.topic]
            _keep(found, schema, batch_body(0, rows.first_number, rows.records[:1]))
            for told in fold.apply(now_ms, document(schema), body):
                _keep(found, {KPIS: "kpi", PROCEDURES: "procedure"}[told.topic], *told.records)
    yield from found.items()


TELLING = {  # of many, the first that shows what its schema is for
    "sbi_transaction_batch": '"supi":"imsi-',
    "kpi_delta_batch": '"cells":[{',
    "kpi": '"operation":"Nudm_SDM_Get"',
    "procedure": '"kind":"ue_initial_registration"',
}


def _keep(found: dict[str, bytes], schema: str, *bodies: bytes) -> None:
    for body in bodies:
        if schema not in found and TELLING[schema] in json_form(schema)(body).decode() and len(body) < 1_500:
            found[schema] = body


def as_json(name: str, message: bytes) -> str:
    """Return the JSON form of a message, laid out to be read."""
    return json.dumps(json.loads(json_form(name)(unframe(message)[1])), indent=1, ensure_ascii=False) + "\n"


def decoded(name: str, message: bytes) -> object:
    """Return what any Avro reader makes of a message, times as the numbers that they are."""
    schema = fastavro.parse_schema(without_logical_types(document(name)))
    return fastavro.schemaless_reader(io.BytesIO(unframe(message)[1]), schema, None)


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, body in examples():
        (FOLDER / f"{name}.avro").write_bytes(frame(name, body))
        (FOLDER / f"{name}.json").write_text(as_json(name, frame(name, body)))


if __name__ == "__main__":
    write()
