"""A capture full of payloads, from the file to each output: no script runs, no request leaves, text stays text."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli import main
from schemas.json_text import silent
from tests import browser, engine, generate
from tests.hostile import PAYLOADS, SUPI, capture
from tests.test_decode import lines, sbiscope
from tests.test_report import Reader

CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")
ACTIVE = {"script", "img", "iframe", "object", "embed", "link", "form", "a", "base", "foreignobject", "image", "use"}
FORMULA = tuple("=+-@\t\r")
Trap = tuple[str, list[bytes]]


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    with browser.trap() as place:
        yield place


@pytest.fixture(scope="module")
def file(trap: Trap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile") / "hostile.pcapng"
    made.write_bytes(capture(trap[0]))
    return made


@pytest.fixture(scope="module")
def transactions(file: Path) -> list[dict[str, Any]]:
    return lines(sbiscope("decode", "--transactions", "--plain-identifiers", file))


@pytest.fixture(scope="module")
def database(transactions: list[dict[str, Any]]) -> str:
    account, client = engine.emptied()
    generate.insert(client, [generate.encode_batch(transactions)])
    return account.database


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def is_inert(page: Path, asked: list[bytes]) -> Reader:
    """Open a page in a browser; nothing runs, nothing is fetched. Return what it has become."""
    document = browser.opened(page)
    read = Reader(document)
    assert not {name.lower() for name in read.elements} & ACTIVE
    assert not [name for name, _ in read.attributes if name.startswith("on") or name in {"href", "src", "xlink:href"}]
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert title
    assert title[1] != "run"
    assert asked == []
    return read


def test_the_payloads_come_through(transactions: list[dict[str, Any]]) -> None:
    """Else nothing would be shown by the rest."""
    assert len(transactions) == 3 * len(PAYLOADS)
    for name in ("user_agent", "path", "cause", "server", "via", "location", "authority", "response_header_facts"):
        assert sum("cmd|" in str(row[name]) for row in transactions) >= 9, name
        assert sum("<script" in str(row[name]) for row in transactions) >= 3, name


@pytest.mark.parametrize("words", [(), ("--transactions",), ("--procedures",), ("--alerts",)], ids=str)
def test_lines_for_programs_are_lines_and_silent_on_a_terminal(file: Path, words: tuple[str, ...]) -> None:
    done = sbiscope("decode", *words, file)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.decode().splitlines():
        assert isinstance(json.loads(line), dict)
        assert not CONTROLS.search(line)
    assert not CONTROLS.search(done.stderr.decode())


@given(st.text() | st.text('\x7f\x80\x9b\u2028\u202e\u2066\ufeff\\"a'))
def test_silent_json_means_the_same(text: str) -> None:
    silenced = silent(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert json.loads(silenced.decode("utf-8", "surrogatepass")) == text
    assert not CONTROLS.search(silenced.decode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("form", ["terminal", "mermaid", "plantuml", "json"])
def test_the_ladder_is_text(file: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "trace", SUPI, "--capture", str(file), "--plain-identifiers", "--format", form)
    assert not CONTROLS.search(shown)
    if form == "json":
        assert json.loads(shown)["arrows"]
    elif form != "terminal":
        bare = re.sub(r'->>|-x|->x|->|@(start|end)uml|participant "|" as|rgba', "", shown)
        assert not re.search(r"[<>\"'%!@#;{}|`\\]", bare)


def test_the_ladder_is_inert_in_a_browser(file: Path, trap: Trap, tmp_path: Path) -> None:
    page = tmp_path / "ladder.html"
    assert (
        main(["trace", SUPI, "--capture", str(file), "--plain-identifiers", "--format", "html", "--output", str(page)])
        == 0
    )
    assert is_inert(page, trap[1]).elements["svg"] == 1
    assert "cmd|" in page.read_text()


def test_the_exported_capture_can_be_read_again(file: Path, tmp_path: Path) -> None:
    written = tmp_path / "out.pcapng"
    done = sbiscope("export", "--subscriber", SUPI, "--capture", file, "--to", written)
    assert done.returncode == 0, done.stderr
    assert len(lines(sbiscope("decode", "--transactions", written))) >= 2 * len(PAYLOADS)


@pytest.mark.stack
def test_the_report_is_inert_in_a_browser(
    database: str, trap: Trap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.told(monkeypatch, database)
    page = tmp_path / "report.html"
    assert main(["report", "--format", "html", "--output", str(page)]) == 0
    read = is_inert(page, trap[1])
    assert "cmd|" in read.text
    assert "<script" in read.text


@pytest.mark.stack
@pytest.mark.parametrize("form", ["terminal", "md", "json", "csv", "3gpp-xml"])
def test_the_report_is_text(
    database: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.told(monkeypatch, database)
    shown = told(capsys, "report", "--format", form)
    assert not CONTROLS.search(shown.replace("\r\n", "\n"))
    if form == "csv":
        assert not [cell for row in csv.reader(io.StringIO(shown)) for cell in row if cell.startswith(FORMULA)]
    if form == "md":
        assert not re.search(r"(?<!\\)<[a-z/]", shown)
        assert "](javascript" not in shown.replace("\\]", "")


@pytest.mark.stack
def test_spreadsheet_and_paper_are_inert(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.told(monkeypatch, database)
    for form in ("xlsx", "pdf"):
        assert main(["report", "--format", form, "--output", str(tmp_path / form)]) == 0
    book = openpyxl.load_workbook(io.BytesIO((tmp_path / "xlsx").read_bytes()))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert any("cmd|" in cell.value for cell in cells)
    assert not [cell.value for cell in cells if cell.data_type == "f" or cell.hyperlink]
    assert not [cell.value for cell in cells if cell.value.startswith(FORMULA) or CONTROLS.search(cell.value)]
    paper = (tmp_path / "pdf").read_bytes()
    assert not [word for word in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/OpenAction") if word in paper]
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(paper)).pages)
    assert "cmd|" in text
    assert not CONTROLS.search(text)


@pytest.mark.stack
@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_what_sql_finds_is_text(
    database: str, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.told(monkeypatch, database)
    sql = "SELECT method, path, user_agent, cause, location, via, response_header_facts FROM transactions FINAL"
    shown = told(capsys, "query", "--format", form, sql)
    if form != "csv":
        assert not CONTROLS.search(shown)
    else:  # a file holds what was sent; on a terminal it is made visible (tests/test_query.py)
        rows = list(csv.reader(io.StringIO(shown)))
        assert len(rows) == 1 + 3 * len(PAYLOADS)
        assert not [cell for row in rows for cell in row if cell.startswith(FORMULA)]
