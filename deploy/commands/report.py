"""`sbiscope report`: the key figures of a period, in a terminal, as an HTML page, on paper, or for other programs."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from deploy.report_schedule import Due
    from streams.report.content import Report

FORMATS = ("terminal", "html", "pdf", "csv", "parquet", "xlsx", "md", "json", "3gpp-xml")
BINARY = frozenset({"pdf", "parquet", "xlsx"})
DIMENSIONS = ("nf", "consumer", "instance", "operation", "service", "slice", "dnn", "plmn", "site", "node")
WINDOWS_S = (60, 300, 900, 1_800, 3_600)
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `report` takes."""
    times = "2026-11-24, 2026-11-24T10:00:00 (UTC), or how long ago: 30m, 12h, 7d"
    parser.add_argument("--from", dest="start", metavar="TIME", help=f"begin: {times}; default: the first request")
    parser.add_argument("--to", dest="stop", metavar="TIME", help="end, not included; default: behind the last request")
    parser.add_argument("--by", choices=DIMENSIONS, default="nf", help="how the main table is cut (default: nf)")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="default: terminal")
    compare = "the period that ends where this one begins (previous), the same so long before (7d), or one from TIME on"
    parser.add_argument("--compare", metavar="PREVIOUS", help=f"set beside it: {compare}")
    cron = "make a report of each period between two times of a cron expression (UTC), two minutes after its end"
    parser.add_argument("--schedule", metavar="CRON", help=f"{cron}; needs --output, until SIGTERM")
    parser.add_argument(
        "--granularity", type=int, choices=WINDOWS_S, default=900, help="seconds a window of 3gpp-xml (default: 900)"
    )
    output = "write there instead of standard output; %%Y, %%m, %%d, %%H and %%M stand for the end of the period"
    parser.add_argument("--output", metavar="FILE", help=output)


def run(options: argparse.Namespace) -> int:
    """Measure and write the report, once or by its schedule."""
    if options.schedule:
        return _by_schedule(options)
    now_us = time.time_ns() // 1_000
    start, stop = parsed(options.start, now_us), parsed(options.stop, now_us)
    if start is not None and stop is not None and start >= stop:
        raise Refusal("the period is empty", f"--from {options.start} --to {options.stop}", "let --from be the earlier")
    if options.format in BINARY and options.output is None and sys.stdout.isatty():
        raise Refusal("this format is none for a terminal", options.format, "give --output FILE")
    make(options, start, stop, now_us)
    return 0


def make(options: argparse.Namespace, start: int | None, stop: int | None, now_us: int) -> None:
    """Make one report of [start, stop), in microseconds, and deliver it."""
    from deploy.accounts import reader
    from schemas.config import load
    from streams.clickhouse import FAILURES, connect, said
    from streams.report.measure import measure

    client = connect(reader(load(options.config)))
    try:
        report = measure(client, start, stop, options.by, now_us)
        if options.format == "3gpp-xml":
            made: str | bytes = _measurement_file(client, report, options.granularity)
        else:
            made = _renderer(options.format)(_compared(client, report, options.compare, now_us))
    except FAILURES as error:
        raise Refusal("the report failed", said(error), "has the schema been applied? (sbiscope schema)") from error
    finally:
        client.close()
    deliver(made, options.output and named(options.output, report.stop_us))


def _by_schedule(options: argparse.Namespace) -> int:
    """Make the reports of a schedule until SIGTERM or SIGINT; one that fails is said, and the next is waited for."""
    import signal
    import threading

    from deploy.report_schedule import follow

    if options.start or options.stop:
        raise Refusal("the schedule says the period", "--from or --to", "leave them out")
    if options.output is None:
        raise Refusal("a scheduled report needs a place", "no --output", "give --output 'report-%Y%m%d-%H%M.html'")
    woken = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: woken.set())

    def one(period: "Due") -> None:
        try:
            make(options, period.start_us, period.stop_us, time.time_ns() // 1_000)
        except Refusal as refusal:
            print(f"sbiscope report: {refusal}", file=sys.stderr, flush=True)

    follow(options.schedule, lambda: time.time_ns() // 1_000, woken.wait, one)
    return 0


def _compared(client: "Client", report: "Report", compare: str | None, now_us: int) -> "Report":
    """Return the report with the one it is to be compared with."""
    from dataclasses import replace

    from streams.report.measure import measure

    if compare is None:
        return report
    start = earlier(compare, report.start_us, report.stop_us, now_us)
    stop = start + report.stop_us - report.start_us
    try:
        return replace(report, previous=measure(client, start, stop, report.by, now_us))
    except Refusal as refusal:
        raise Refusal("nothing to compare with", f"--compare {compare}: no transactions then") from refusal


def earlier(compare: str, start_us: int, stop_us: int, now_us: int) -> int:
    """Return where the period to compare with begins; raises Refusal where `compare` says none."""
    if compare == "previous":
        return start_us - (stop_us - start_us)
    ago = _length_us(compare)
    if ago is not None:
        return start_us - ago
    when = parsed(compare, now_us)
    assert when is not None
    return when


def _measurement_file(client: "Client", report: "Report", window_s: int) -> str:
    """Return the counters of all windows that the period has a part of, whole windows."""
    from importlib.metadata import version

    from streams.report.measured import readings
    from streams.report.measurement_file import as_measurement_file

    width = window_s * 1_000_000
    start, stop = report.start_us // width * width, -(-report.stop_us // width) * width
    found = readings(client, start, stop, window_s)
    return as_measurement_file(found, start, stop, window_s, version("sbiscope"))


def _renderer(form: str) -> "Callable[[Report], str | bytes]":
    """Return what writes a format; a library is imported only where its format is asked for."""
    if form == "pdf":
        from streams.report.paper import as_pdf

        return as_pdf
    if form == "xlsx":
        from streams.report.sheet import as_xlsx

        return as_xlsx
    if form == "parquet":
        from streams.report.parquet import as_parquet

        return as_parquet
    if form == "html":
        from streams.report.page import page

        return page
    from streams.report.export import as_csv, as_json, as_markdown
    from streams.report.terminal import terminal

    return {"terminal": terminal, "json": as_json, "csv": as_csv, "md": as_markdown}[form]


def named(output: str, stop_us: int) -> str:
    """Return the name of the file with the end of the period in it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=stop_us)).strftime(output)


def deliver(made: str | bytes, output: str | None) -> None:
    """Write to a file whole or not at all, else to standard output."""
    if output is None:
        if isinstance(made, bytes):
            sys.stdout.buffer.write(made)
        else:
            sys.stdout.write(made)
        return
    target = Path(output)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(made if isinstance(made, bytes) else made.encode())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        advice = "name a file in a directory you may write to"
        raise Refusal("cannot write the report", f"{output}: {error.strerror}", advice) from error
    print(f"report: {target.resolve()}", flush=True)


def parsed(text: str | None, now_us: int) -> int | None:
    """Return a --from or --to as microseconds since the epoch; raises Refusal where it is no time."""
    if text is None:
        return None
    ago = _length_us(text)
    if ago is not None:
        return now_us - ago
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal("not a time", text, "write 2026-11-24, 2026-11-24T10:00:00, or 1h for an hour ago") from error
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _length_us(text: str) -> int | None:
    """Return a length of time as 30m, 12h or 7d in microseconds; None where it is none."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    return int(found[1]) * UNITS_S[found[2]] * 1_000_000 if found else None
