"""The report as a spreadsheet (XLSX): a sheet a table; every text is text, whatever it looks like."""

import io
from datetime import UTC, datetime
from typing import Any

import xlsxwriter

from streams.report.content import Report
from streams.report.flat import COLUMNS, FIGURES, RATIOS, Row, rows
from streams.report.inert import cell, visible
from streams.report.sentences import completeness, summary
from streams.report.units import moment

SHEETS = {  # title → (parts of the flat rows, columns before the figures)
    "Trend": ("step", ("start_us",)),
    "Lines": ("by ", ("name",)),
    "Operations": ("operation", ("name",)),
    "NF matrix": ("pair", ("consumer_nf", "producer_nf")),
    "Causes": ("cause", ("name", "outcome", "status", "cause")),
    "Latency heat": ("heat", ("name", "up_to_us")),
    "Procedures": ("procedure", ("name",)),
    "Breaks": ("break", ("name", "at_step", "outcome", "producer_nf", "status", "cause")),
}
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def as_xlsx(report: Report) -> bytes:
    """Return the file. No cell holds a formula or a link; text that looks like one starts with an apostrophe too."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, OPTIONS)
    made = datetime.fromtimestamp(report.made_us / 1e6, UTC).replace(tzinfo=None)
    book.set_properties({"title": "SBI report", "created": made})
    head, ratio = book.add_format({"bold": True}), book.add_format({"num_format": "0.00 %"})
    _summary(book.add_worksheet("Summary"), report, head, ratio)
    found = list(rows(report))
    for title, (part, keys) in SHEETS.items():
        mine = [row for row in found if str(row["part"]).startswith(part)]
        if mine:
            _table(book.add_worksheet(title), mine, keys, head, ratio)
    _coverage(book.add_worksheet("Completeness"), report, head)
    book.close()
    return out.getvalue()


def _summary(sheet: Any, report: Report, head: Any, ratio: Any) -> None:
    sheet.write_string(0, 0, "SBI report", head)
    sheet.write_string(1, 0, f"{moment(report.start_us)} to {moment(report.stop_us)} UTC")
    for place, sentence in enumerate(summary(report), 3):
        sheet.write_string(place, 0, str(cell(visible(sentence))))
    first = 4 + len(summary(report))
    for place, name in enumerate((*FIGURES, "success_ratio"), first):
        sheet.write_string(place, 0, name, head)
        _write(sheet, place, 1, getattr(report.total, name), ratio if name in RATIOS else None)
    sheet.set_column(0, 0, 24)


def _table(sheet: Any, mine: list[Row], keys: tuple[str, ...], head: Any, ratio: Any) -> None:
    """Write the key columns and all others in which anything stands."""
    told = [name for name in COLUMNS if name not in {*keys, "part"} and any(row[name] is not None for row in mine)]
    for column, name in enumerate((*keys, *told)):
        sheet.write_string(0, column, name, head)
        for place, row in enumerate(mine, 1):
            _write(sheet, place, column, row[name], ratio if name in RATIOS else None)
    sheet.freeze_panes(1, len(keys))
    sheet.autofilter(0, 0, len(mine), len(keys) + len(told) - 1)
    sheet.set_column(0, 0, 34)


def _coverage(sheet: Any, report: Report, head: Any) -> None:
    for place, sentence in enumerate(completeness(report)):
        sheet.write_string(place, 0, sentence)
    first = len(completeness(report)) + 1
    names = report.coverage[0].__slots__ if report.coverage else ()
    for column, name in enumerate(names):
        sheet.write_string(first, column, name, head)
        for place, one in enumerate(report.coverage, first + 1):
            _write(sheet, place, column, getattr(one, name), None)


def _write(sheet: Any, place: int, column: int, value: str | float | None, form: Any) -> None:
    if isinstance(value, str):
        sheet.write_string(place, column, str(cell(visible(value)))[:32_000])
    elif value is not None:
        sheet.write_number(place, column, value, form)
