"""streams/report on the suite capture: its figures and counters are those of the stream's KPIs."""

import json
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from deploy.cli import main
from streams.report.content import Report
from streams.report.measure import measure
from streams.report.measured import Reading, readings
from streams.report.measurement_file import NAMESPACE, as_measurement_file
from tests import engine, generate, tshark
from tests.kpis import Stages, check, counted, of_capture

pytestmark = pytest.mark.stack
SUMS = (
    "requests", "answered", "succeeded", "failed", "unknown", "client_errors", "server_errors", "hidden_failures",
    "unanswered", "late", "resets", "retransmitted",
)  # fmt: skip
SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def suite() -> Stages:
    return of_capture(SUITE)


@pytest.fixture(scope="module")
def told(suite: Stages) -> tuple[Report, dict[int, list[Reading]]]:
    _, client = engine.emptied()
    generate.insert(client, [generate.encode_batch(list(suite.transactions.values()))])
    report = measure(client, None, None, "nf", 0)
    start, stop = report.start_us // HOUR_US * HOUR_US, -(-report.stop_us // HOUR_US) * HOUR_US
    return report, {width: readings(client, start, stop, width) for width in (60, 300, 900, 3_600)}


def summed(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(row[name] for row in rows) for name in SUMS}


@pytest.mark.parametrize("width_s", [10, 3_600])
def test_its_figures_are_sums_of_the_streams_kpis(suite: Stages, told: Any, width_s: int) -> None:
    report, _ = told
    kpis = [row for row in suite.kpis.values() if row["window_s"] == width_s]
    assert {name: getattr(report.total, name) for name in SUMS} == summed(kpis)
    bodies = sum(row["request_body_bytes_sum"] + row["response_body_bytes_sum"] for row in kpis)
    assert report.total.body_bytes == bodies
    assert report.total.max_us == max(row["max_us"] for row in kpis if row["max_us"] is not None)
    for line in report.lines:
        mine = [row for row in kpis if row["producer_nf"] == line.name]
        assert {name: getattr(line.figures, name) for name in SUMS} == summed(mine), line.name
    for pair in report.pairs:
        mine = [row for row in kpis if (row["consumer_nf"], row["producer_nf"]) == (pair.consumer, pair.producer)]
        assert {name: getattr(pair.figures, name) for name in SUMS} == summed(mine)


@pytest.mark.parametrize("width_s", [60, 300, 900, 3_600])
def test_its_counters_are_those_of_the_stream(suite: Stages, told: Any, width_s: int) -> None:
    wanted: Counter[tuple[Any, ...]] = Counter()
    for row in suite.kpis.values():
        if row["window_s"] == width_s:
            place = row["window_start_us"], row["site"], row["producer_nf_instance"], row["snssai"]
            wanted.update({(*place, name): value for name, value in row["measurements"].items()})
    found: Counter[tuple[Any, ...]] = Counter()
    for one in told[1][width_s]:
        place = one.window_start_us, one.site, one.producer_nf_instance, one.snssai
        found.update({(*place, name): value for name, value in one.values.items()})
    assert +found == +wanted
    assert sum(found.values()) > 1_000


def test_the_measurement_file_adds_up_to_the_same(suite: Stages, told: Any) -> None:
    report, found = told
    root = ET.fromstring(as_measurement_file(found[900], report.start_us, report.stop_us, 900, "1"))
    ns = {"m": NAMESPACE}
    values: Counter[str] = Counter()
    for block in root.findall(".//m:measInfo", ns):
        names = {one.get("p"): str(one.text) for one in block.findall("m:measType", ns)}
        assert block.attrib["measInfoId"].endswith((".exact", ".proxy"))
        for result in block.findall(".//m:r", ns):
            values[names[result.get("p")]] += int(result.text or 0)
    kpis = [row["measurements"] for row in suite.kpis.values() if row["window_s"] == 900]
    for name in ("SM.PduSessionCreationReq", "DM.QueryReq", "NFS.DiscSucc", "AMF.AuthReq"):
        assert values[name] == sum(one.get(name, 0) for one in kpis) > 0
    by_slice = sum(many for name, many in values.items() if name.startswith("SM.PduSessionCreationReq."))
    assert 0 < by_slice <= values["SM.PduSessionCreationReq"] == 48


def test_every_kpi_equals_a_count_of_what_decode_tells(suite: Stages, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "--transactions", str(SUITE)]) == 0
    told = {row["transaction_id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert len(told) == 4_636
    check(suite.kpis, counted(told.values()))
