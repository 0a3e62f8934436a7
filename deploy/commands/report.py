"""`sbiscope report`: the key figures of a period, in a terminal, as an HTML page, or for other programs."""

import argparse
import os
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.refusal import Refusal

FORMATS = ("terminal", "html", "json", "csv", "md")
DIMENSIONS = ("nf", "consumer", "instance", "operation", "service", "slice", "dnn", "plmn", "site", "node")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `report` takes."""
    times = "2026-11-24, 2026-11-24T10:00:00 (UTC), or how long ago: 30m, 12h, 7d"
    parser.add_argument("--from", dest="start", metavar="TIME", help=f"begin: {times}; default: the first request")
    parser.add_argument("--to", dest="stop", metavar="TIME", help="end, not included; default: behind the last request")
    parser.add_argument("--by", choices=DIMENSIONS, default="nf", help="how the main table is cut (default: nf)")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="default: terminal")
    parser.add_argument("--output", metavar="FILE", help="write there instead of standard output")


def run(options: argparse.Namespace) -> int:
    """Measure and write the report."""
    from deploy.accounts import reader
    from schemas.config import load
    from streams.clickhouse import FAILURES, connect, said
    from streams.report.measure import measure

    now_us = time.time_ns() // 1_000
    start, stop = parsed(options.start, now_us), parsed(options.stop, now_us)
    if start is not None and stop is not None and start >= stop:
        raise Refusal("the period is empty", f"--from {options.start} --to {options.stop}", "let --from be the earlier")
    client = connect(reader(load(options.config)))
    try:
        report = measure(client, start, stop, options.by, now_us)
    except FAILURES as error:
        raise Refusal("the report failed", said(error), "has the schema been applied? (sbiscope schema)") from error
    finally:
        client.close()
    deliver(_rendered(report, options.format), options.output)
    return 0


def _rendered(report: object, form: str) -> str:
    from streams.report.content import Report
    from streams.report.export import as_csv, as_json, as_markdown
    from streams.report.page import page
    from streams.report.terminal import terminal

    assert isinstance(report, Report)
    return {"terminal": terminal, "html": page, "json": as_json, "csv": as_csv, "md": as_markdown}[form](report)


def deliver(text: str, output: str | None) -> None:
    """Write to a file whole or not at all, else to standard output."""
    if output is None:
        sys.stdout.write(text)
        return
    target = Path(output)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8", newline="")
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        advice = "name a file in a directory you may write to"
        raise Refusal("cannot write the report", f"{output}: {error.strerror}", advice) from error
    print(f"report: {target.resolve()}")


def parsed(text: str | None, now_us: int) -> int | None:
    """Return a --from or --to as microseconds since the epoch; raises Refusal where it is no time."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if ago:
        seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[ago[2]]
        return now_us - int(ago[1]) * seconds * 1_000_000
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal("not a time", text, "write 2026-11-24, 2026-11-24T10:00:00, or 1h for an hour ago") from error
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
