"""streams/report: every format read back by a foreign reader says the same; a hostile capture is inert in each."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import pypdf
import pytest
from clickhouse_connect.driver.client import Client
from pyarrow import parquet

from deploy.commands import report as command
from streams.report import units
from streams.report.content import Report
from streams.report.export import as_csv, as_json, as_markdown
from streams.report.inert import visible
from streams.report.measure import measure
from streams.report.measured import Reading, readings
from streams.report.measurement_file import NAMESPACE, as_measurement_file
from streams.report.page import page
from streams.report.paper import as_pdf
from streams.report.parquet import as_parquet
from streams.report.sheet import as_xlsx
from streams.report.terminal import terminal
from tests import browser, engine, generate
from tests.test_report import HOSTILE, Reader

pytestmark = pytest.mark.stack
HALF_US = 30_000_000
START_US = generate.START_US
NS = {"m": NAMESPACE}


def procedure(number: int, outcome: str = "success", **said: Any) -> dict[str, Any]:
    begin = START_US + HALF_US + number * 1_000
    told = {"procedure_id": f"p{number}", "kind": "ue_initial_registration", "outcome": outcome, "begin_us": begin}
    return told | {"duration_us": 40_000 + number, "last_step": "am_policy", "site": "lab", "node": "n1"} | said


def keep(client: Client, many: list[dict[str, Any]]) -> None:
    for one in many:
        values = [f"fromUnixTimestamp64Micro({one['begin_us']})" if name == "begin_us" else f"{{{name}:{kind(value)}}}"
                  for name, value in one.items()]  # fmt: skip
        sql = f"INSERT INTO procedures ({', '.join(one)}) SELECT {', '.join(values)}"
        client.command(sql, parameters={name: value for name, value in one.items() if name != "begin_us"})


def kind(value: object) -> str:
    return "Int64" if isinstance(value, int) else "String"


@pytest.fixture(scope="module")
def report() -> Report:
    """Return a report of half a minute, compared with the half before it, with procedures."""
    _, client = engine.emptied()
    generate.insert(client, [generate.encode_batch(list(generate.transactions(1_201, rate=20)))])
    keep(client, [procedure(number) for number in range(7)])
    keep(client, [procedure(7, "failed", failed_step="authentication", failed_status=403, failed_cause="NO_WAY")])
    keep(client, [procedure(8, "abandoned", last_step="am_policy"), procedure(9, "incomplete")])
    start, stop = START_US + HALF_US, START_US + 2 * HALF_US
    now = measure(client, start, stop, "operation", 1_795_400_000_000_000)
    return command._compared(client, now, "previous", 0)


def cells(shown: list[str], rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows if row[: len(shown)] == shown]


def test_what_it_says_of_procedures_and_of_the_period_before(report: Report) -> None:
    assert report.previous is not None
    assert (report.total.requests, report.previous.total.requests) == (600, 600)
    (one,) = report.procedures
    assert (one.begun, one.succeeded, one.failed, one.unknown) == (10, 7, 2, 1)
    assert [(broken.step, broken.outcome, broken.count) for broken in report.breaks] == [
        ("am_policy", "abandoned", 1),
        ("authentication", "failed", 1),
    ]
    assert sum(one.answers for one in report.heat) == report.total.answered
    assert all(one.answers for one in report.heat)


def test_a_browser_shows_the_page(report: Report, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text(page(report))
    read = Reader(browser.opened(target))
    for line in report.operations:
        shown = [str(line.name), units.count(line.figures.requests), units.percent(line.figures.success_ratio)]
        assert cells(shown, read.cells)
    assert cells(["ue initial registration", "10", "77.78 %", "2"], read.cells)
    assert cells(["ue initial registration", "authentication", "failed", "–", "403", "NO_WAY", "1"], read.cells)
    assert "Against 2026-" in read.text
    assert read.elements["svg"] == 3


def test_tables_for_programs_say_the_same(report: Report) -> None:
    told = json.loads(as_json(report))
    text = list(csv.DictReader(io.StringIO(as_csv(report))))
    table = parquet.read_table(io.BytesIO(as_parquet(report)))
    columns = table.to_pylist()
    assert list(text[0]) == table.column_names
    assert len(text) == len(columns)
    for written, row in zip(text, columns, strict=True):
        for name, value in row.items():
            assert written[name] == ("" if value is None else str(value)), (row["part"], name)
    operations = {row["name"]: row for row in columns if row["part"] == "operation"}
    assert {one["name"]: one["figures"]["p95_us"] for one in told["operations"]} == {
        name: row["p95_us"] for name, row in operations.items()
    }
    before = {one["name"]: one["figures"]["requests"] for one in told["previous"]["operations"]}
    assert {name: row["previous_requests"] for name, row in operations.items()} == before
    assert sum(row["failed"] for row in columns if row["part"] == "cause") == report.total.failed


def test_a_spreadsheet_says_the_same(report: Report) -> None:
    book = openpyxl.load_workbook(io.BytesIO(as_xlsx(report)))
    rows = list(book["Operations"].values)
    assert [str(name) for name in rows[0][:2]] == ["name", "requests"]
    read = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    for line in report.operations:
        for name in ("requests", "failed", "p95_us", "success_ratio"):
            assert read[line.name][name] == pytest.approx(getattr(line.figures, name))
    assert [row[:2] for row in book["Procedures"].values][1] == ("ue_initial_registration", 10)
    assert book.sheetnames[0] == "Summary"
    assert book["Summary"]["A4"].value.startswith("600 requests: ")


def test_paper_says_the_same(report: Report) -> None:
    made = as_pdf(report)
    assert made == as_pdf(report)
    read = pypdf.PdfReader(io.BytesIO(made))
    text = "\n".join(one.extract_text() for one in read.pages)
    assert re.sub(r"\s+", " ", text).count("600 requests: ") == 1
    for line in report.operations[:5]:
        shown = [str(line.name), units.count(line.figures.requests), units.percent(line.figures.success_ratio)]
        assert re.search(r"\s+".join(map(re.escape, shown)), text)
    assert "ue initial registration" in text


@pytest.fixture(scope="module")
def hostile() -> tuple[Report, list[Reading]]:
    _, client = engine.emptied()
    names = ("cause", "resource", "consumer_nf", "producer_nf", "producer_nf_instance", "node", "site", "snssai")
    failed = {"operation": None, "method": "GET", "outcome": "client_error", "status": 400, "duration_us": 5}
    rows = [
        row | failed | dict.fromkeys(names, text)
        for text, row in zip(HOSTILE * 2, generate.transactions(len(HOSTILE) * 2), strict=True)
    ]
    counted = [row | {"operation": "Nudr_DM_Query", "request_event_id": "x"} for row in rows]
    counted = [row | {"transaction_id": f"q{n}", "exchange_key": f"q{n}"} for n, row in enumerate(counted)]
    generate.insert(client, [generate.encode_batch(rows + counted)])
    for number, text in enumerate(HOSTILE):
        words = {"kind": text, "failed_step": text, "failed_cause": text, "failed_producer_nf": text}
        keep(client, [procedure(number, "failed", **words)])
    made = measure(client, None, None, "slice", 0)
    return made, readings(client, made.start_us, made.stop_us, 60)


def test_hostile_text_is_inert_in_the_browser(hostile: tuple[Report, list[Reading]], tmp_path: Path) -> None:
    target = tmp_path / "hostile.html"
    with browser.trap() as (address, asked):
        target.write_text(page(hostile[0]).replace("http://evil.example/", address))
        document = browser.opened(target)
    read = Reader(document)
    assert not read.elements.keys() & {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base"}
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in {"href", "src"}]
    assert {visible(text) for text in HOSTILE} <= {row[0] for row in read.cells if row}
    assert asked == []


def test_hostile_text_is_inert_in_a_spreadsheet(hostile: tuple[Report, list[Reading]]) -> None:
    book = openpyxl.load_workbook(io.BytesIO(as_xlsx(hostile[0])))
    found = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert not [cell.value for cell in found if cell.data_type == "f" or cell.hyperlink]
    texts = [cell.value for cell in found if isinstance(cell.value, str)]
    assert not [text for text in texts if text[0] in "=+-@" or not text.isprintable()]
    assert any("cmd|" in text for text in texts)


def test_hostile_text_is_inert_on_paper(hostile: tuple[Report, list[Reading]]) -> None:
    made = as_pdf(hostile[0])
    read = pypdf.PdfReader(io.BytesIO(made))
    for word in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/OpenAction", b"/Annots"):
        assert word not in made
    assert not any("/Annots" in one for one in read.pages)
    text = "".join(one.extract_text() for one in read.pages)
    assert "<script>alert(1)</script>" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_hostile_text_is_only_text_for_programs(hostile: tuple[Report, list[Reading]]) -> None:
    made, _ = hostile
    for row in csv.reader(io.StringIO(as_csv(made))):
        assert not [one for one in row if one[:1] in set("=+-@\t\r")]
    names = {row["name"] for row in parquet.read_table(io.BytesIO(as_parquet(made))).to_pylist()}
    assert set(HOSTILE) <= names
    for shown in (terminal(made), as_markdown(made)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
        assert not re.search(r"(?<!\\)<script", as_markdown(made))


def test_hostile_text_is_only_text_in_a_measurement_file(hostile: tuple[Report, list[Reading]]) -> None:
    made, found = hostile
    root = ET.fromstring(as_measurement_file(found, made.start_us, made.stop_us, 60, "1"))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    known = {"measCollecFile", "fileHeader", "fileSender", "measCollec", "measData", "managedElement", "measInfo"}
    assert tags <= known | {"granPeriod", "repPeriod", "measType", "measValue", "r", "suspect", "fileFooter"}
    objects = root.findall(".//m:measValue", NS)
    assert len(objects) == len(HOSTILE)
    names = [element.text for element in root.findall(".//m:measType", NS)]
    assert {f"DM.QueryFail.{visible(text)}" for text in HOSTILE} <= set(names)
