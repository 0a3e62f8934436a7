"""streams/report: figures equal a slow recomputation, are the same in every format, and hostile text stays text."""

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli import main
from deploy.commands.report import earlier, named, parsed
from deploy.report_schedule import SETTLE_S, due, follow
from schemas.refusal import Refusal
from streams.report import chart, units
from streams.report.content import Report
from streams.report.export import as_csv, as_json, as_markdown
from streams.report.inert import cell, markdown, visible
from streams.report.measure import DIMENSIONS, measure
from streams.report.page import TITLES, page
from streams.report.paper import as_pdf
from streams.report.parquet import as_parquet
from streams.report.sheet import as_xlsx
from streams.report.terminal import terminal
from tests import engine, generate

SUCCESS = {"success", "redirect", "business"}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "'; DROP TABLE transactions; --",
    "=cmd|'/c calc'!A1",
    "@SUM(1)",
    "\x1b]0;owned\x07\x1b[2J",
    "a\r\nb",
    "\u202eevil",
    "</style><svg onload=alert(1)>",
    "| x | y |",
]


def stored(many: Sequence[dict[str, Any]]) -> tuple[Client, str]:
    account, client = engine.emptied()
    body = generate.encode_batch(many)
    generate.insert(client, [body])
    return client, account.database


class Reader(HTMLParser):
    """Reads a page back: its elements, its attributes, its text by table cell."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: set[tuple[str, str]] = set()
        self.cells: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes |= {(name, value or "") for name, value in attrs}
        self._open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in {"td", "th"}:
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
        if {"td", "th"} & set(self._open):
            self.cells[-1][-1] += data


@pytest.fixture(scope="module")
def pool() -> list[dict[str, Any]]:
    return list(generate.transactions(2_003, rate=37))


@pytest.fixture(scope="module")
def report(pool: list[dict[str, Any]]) -> Report:
    client, _ = stored([*pool, *pool[:100]])
    return measure(client, None, None, "operation", 1_795_400_000_000_000)


def rank(values: list[int], share: float) -> int:
    return sorted(values)[math.floor(share * (len(values) - 1) + 0.5)]


@pytest.mark.stack
def test_the_figures_equal_a_slow_recomputation(pool: list[dict[str, Any]], report: Report) -> None:
    assert report.start_us == pool[0]["request_us"]
    assert report.stop_us == pool[-1]["request_us"] + 1
    groups: dict[str | None, list[dict[str, Any]]] = {None: pool}
    for row in pool:
        groups.setdefault(row["operation"], []).append(row)
    found = {line.name: line.figures for line in report.operations} | {None: report.total}
    assert found.keys() == groups.keys()
    for name, many in groups.items():
        one, outcomes = found[name], Counter(row["outcome"] for row in many)
        assert one.requests == len(many) == one.succeeded + one.failed + one.unknown
        assert one.succeeded == sum(outcomes[outcome] for outcome in SUCCESS)
        assert (one.unknown, one.unanswered) == (outcomes["unknown"], outcomes["unanswered"])
        assert one.client_errors == outcomes["client_error"]
        bodies = [(row["request_body_bytes"] or 0) + (row["response_body_bytes"] or 0) for row in many]
        assert one.body_bytes == sum(bodies)
        durations = [row["duration_us"] for row in many if row["duration_us"] is not None]
        assert one.max_us == max(durations)
        assert one.answered == len(durations)
        for got, share in ((one.p50_us, 0.5), (one.p95_us, 0.95), (one.p99_us, 0.99)):
            assert got is not None
            place = sorted(durations).index(got)
            assert abs(place - share * (len(durations) - 1)) <= 1  # nearest rank, either way of counting
    assert sum(moment.figures.requests for moment in report.moments) == len(pool)
    assert sum(pair.figures.requests for pair in report.pairs) == len(pool)
    assert sum(cause.count for cause in report.causes) == report.total.failed
    assert len(report.moments) <= 73


@pytest.mark.stack
def test_all_formats_say_the_same(report: Report) -> None:
    whole = json.loads(as_json(report))
    table = list(csv.DictReader(io.StringIO(as_csv(report))))
    read = Reader(page(report)).cells
    text, marked = terminal(report), as_markdown(report)
    for line in report.operations:
        one = line.figures
        (written,) = [row for row in whole["operations"] if row["name"] == line.name]
        assert written["figures"]["requests"] == one.requests
        assert written["figures"]["success_ratio"] == one.success_ratio
        (row,) = [row for row in table if row["part"] == "operation" and row["name"] == line.name]
        assert (int(row["requests"]), int(row["failed"]), int(row["p95_us"])) == (one.requests, one.failed, one.p95_us)
        shown = [line.name, units.count(one.requests), units.percent(one.success_ratio), units.count(one.failed)]
        assert any(cells[:4] == shown for cells in read)
        assert re.search(r"\s+".join(map(re.escape, map(str, shown))), text)
        assert f"| {markdown(str(line.name))} | {shown[1]} | {shown[2]} | {shown[3]} |" in marked
    assert whole["total"]["requests"] == report.total.requests == int(table[0]["requests"])


@pytest.mark.stack
def test_hostile_text_stays_text() -> None:
    captured = ("cause", "resource", "consumer_nf", "producer_nf", "node", "site", "snssai")
    failed = {"operation": None, "method": "GET", "outcome": "client_error", "status": 400, "duration_us": 5}
    hostile = [
        row | failed | dict.fromkeys(captured, text)
        for text, row in zip(HOSTILE * 6, generate.transactions(len(HOSTILE) * 6), strict=True)
    ]
    client, _ = stored(hostile)
    made = measure(client, None, None, "slice", 0)
    read = Reader(page(made))
    assert not read.elements.keys() & {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base"}
    assert read.elements["style"] == 1
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in {"href", "src", "style"}]
    assert not [value for name, value in read.attributes if "://" in value]
    (policy,) = [value for name, value in read.attributes if "default-src" in value]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    names = {cells[0] for cells in read.cells if cells}
    assert {visible(text) for text in HOSTILE} <= names
    for shown in (terminal(made), as_markdown(made), read.text):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    for row in csv.reader(io.StringIO(as_csv(made))):
        assert not [one for one in row if one[:1] in set("=+-@\t\r")]
    assert {line["name"] for line in json.loads(as_json(made))["lines"]} == set(HOSTILE)


@pytest.mark.stack
def test_what_both_ends_saw_counts_once_and_tells_the_network_time() -> None:
    pool = list(generate.transactions(23))
    client_end = {"vantage": "client", "node": "n2"}
    ends = [
        row
        | client_end
        | {"transaction_id": f"c{place}", "request_us": row["request_us"] - 400}
        | ({"duration_us": row["duration_us"] + 700} if row["duration_us"] else {})
        for place, row in enumerate(pool)
    ]
    tap = {"vantage": "wire", "node": "tap"}
    wire = [row | tap | {"transaction_id": f"w{place}"} for place, row in enumerate(pool[:5])]
    again = [pool[0] | {"transaction_id": "later", "request_us": pool[0]["request_us"] + 60_000_000}]  # port used again
    client, _ = stored([*pool, *ends, *wire, *again])
    made = measure(client, None, None, "node", 0)
    assert made.total.requests == 24
    assert made.seen_at_both_ends == 23
    assert {line.name for line in made.lines} == {"n1"}
    network = client.query("SELECT DISTINCT network_us FROM exchanges WHERE network_us IS NOT NULL").result_rows
    assert network == [(700,)]


@pytest.mark.stack
def test_a_period_is_counted_from_its_begin_to_before_its_end(pool: list[dict[str, Any]]) -> None:
    client, _ = stored(pool)
    start, stop = pool[10]["request_us"], pool[510]["request_us"]
    made = measure(client, start, stop, "nf", 0)
    assert made.total.requests == 500
    assert (made.start_us, made.stop_us) == (start, stop)
    with pytest.raises(Refusal, match="no transactions"):
        measure(client, stop + 10**15, None, "nf", 0)


@pytest.mark.stack
@pytest.mark.parametrize("by", sorted(DIMENSIONS))
def test_every_dimension_adds_up(by: str) -> None:
    client, _ = stored(list(generate.transactions(97)))
    made = measure(client, None, None, by, 0)
    assert sum(line.figures.requests for line in made.lines) == 97
    assert TITLES[by].capitalize() in Reader(page(made)).text


@pytest.mark.stack
def test_orphans_and_nothing_answered_are_reported_too() -> None:
    orphan = next(generate.transactions(1)) | {"request_event_id": None, "outcome": "unknown", "version": 0}
    unanswered = {"outcome": "unanswered", "duration_us": None, "response_event_id": None}
    silent = [row | unanswered for row in generate.transactions(3, seed=9)]
    client, _ = stored([orphan, *silent])
    made = measure(client, None, None, "nf", 0)
    assert (made.total.requests, made.total.unanswered) == (3, 3)
    assert (made.total.p95_us, made.total.success_ratio) == (None, 0.0)
    assert sum(one.orphan_responses for one in made.coverage) == 1
    assert "without a request that we saw: 1;" in page(made)
    assert terminal(made)


@pytest.mark.stack
def test_only_orphans_make_an_empty_report() -> None:
    client, _ = stored([next(generate.transactions(1)) | {"request_event_id": None, "outcome": "unknown"}])
    made = measure(client, None, None, "nf", 0)
    assert made.total.requests == 0
    for form in (page, terminal, as_json, as_csv, as_markdown, as_pdf, as_xlsx, as_parquet):
        assert form(made)


@pytest.mark.stack
def test_the_command_writes_a_file_or_says_what_is_wrong(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, database = stored(list(generate.transactions(23)))
    engine.told(monkeypatch, database)
    target = tmp_path / "report.html"
    assert main(["report", "--format", "html", "--output", str(target)]) == 0
    assert target.read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    for form, begins in (("pdf", b"%PDF-"), ("xlsx", b"PK"), ("parquet", b"PAR1"), ("3gpp-xml", b"<?xml")):
        assert main(["report", "--format", form, "--output", str(tmp_path / form)]) == 0
        assert (tmp_path / form).read_bytes().startswith(begins)
    capsys.readouterr()
    assert main(["report", "--by", "slice"]) == 0
    assert "23 requests" in capsys.readouterr().out
    for words in (
        ["--from", "soon"],
        ["--from", "2030-01-01"],
        ["--from", "2020-01-02", "--to", "2020-01-01"],
        ["--output", str(tmp_path / "no" / "dir")],
        ["--compare", "previous"],
        ["--compare", "'; DROP TABLE transactions; --"],
    ):
        assert main(["report", *words]) == 1
        said = capsys.readouterr().err
        assert said.startswith("sbiscope report: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.000001", 1_000_001),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1h", 10**15 - 3_600_000_000),
        ("2d", 10**15 - 172_800_000_000),
        (None, None),
    ],
)
def test_times_are_utc_and_exact(text: str | None, microseconds: int | None) -> None:
    assert parsed(text, 10**15) == microseconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (1_000, "1.00 ms"),
        (9_994, "9.99 ms"),
        (12_345, "12.3 ms"),
        (99_960, "100 ms"),
        (999_499, "999 ms"),
        (999_500, "1.00 s"),
        (61_000_000, "61.0 s"),
        (None, "–"),
    ],
)
def test_durations_have_three_digits(value: int | None, text: str) -> None:
    assert units.duration(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "100 %"),
        (0.99999999, "99.99 %"),
        (0.0, "0 %"),
        (1e-9, "0.01 %"),
        (0.5, "50.00 %"),
        (None, "–"),
    ],
)
def test_a_ratio_is_never_rounded_to_all_or_nothing(ratio: float | None, text: str) -> None:
    assert units.percent(ratio) == text


HOUR_US = 3_600_000_000


@pytest.mark.parametrize(
    ("compare", "begin_hour"), [("previous", 22), ("24h", 0), ("1d", 0), ("1970-01-01T05:00:00", 5)]
)
def test_what_is_compared_with(compare: str, begin_hour: int) -> None:
    assert earlier(compare, 24 * HOUR_US, 26 * HOUR_US, 10**15) == begin_hour * HOUR_US


def test_a_schedule_reports_each_period_once_it_has_settled() -> None:
    reports = due("0 */6 * * *", 7 * HOUR_US)
    first, second = next(reports), next(reports)
    assert (first.start_us, first.stop_us) == (6 * HOUR_US, 12 * HOUR_US)
    assert (second.start_us, second.stop_us) == (12 * HOUR_US, 18 * HOUR_US)
    assert second.at_us == 18 * HOUR_US + SETTLE_S * 1_000_000
    assert named("%Y-%m-%d-%H%M.html", second.stop_us) == "1970-01-01-1800.html"


def test_the_schedule_is_followed_until_it_is_woken() -> None:
    now_us, made, waits = 7 * HOUR_US, [], []

    def wait(seconds: float) -> bool:
        nonlocal now_us
        waits.append(seconds)
        now_us += round(seconds * 1e6)
        return len(waits) > 3

    follow("0 * * * *", lambda: now_us, wait, made.append)
    assert [(one.stop_us - one.start_us) // HOUR_US for one in made] == [1, 1, 1]
    assert waits[1:] == [3_600, 3_600, 3_600]
    assert waits[0] in {SETTLE_S, SETTLE_S + 3_600}


@pytest.mark.parametrize("cron", ["soon", "61 * * * *", "", "* * *"])
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(Refusal, match="not a schedule"):
        next(due(cron, 0))


def test_a_schedule_needs_a_place_and_no_period(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--schedule", "0 6 * * *"], ["--schedule", "0 6 * * *", "--from", "1d", "--output", "x"]):
        assert main(["report", *words]) == 1
        assert capsys.readouterr().err.startswith("sbiscope report: ")


@given(st.text(max_size=30))
def test_whatever_the_text_is_it_is_inert(text: str) -> None:
    assert visible(text).isprintable() or not text
    assert str(cell(visible(text)))[:1] not in set("=+-@\t\r")
    assert "\n" not in markdown(text)


@given(st.floats(0, 1e15))
def test_the_axis_reaches_the_highest_value(value: float) -> None:
    assert value <= chart.nice(value) <= max(2 * value, 2)
