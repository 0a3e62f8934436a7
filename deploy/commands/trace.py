"""`sbiscope trace SUBSCRIBER`: the signalling of one subscriber as a ladder, from ClickHouse or from a capture."""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from schemas.config import Config

    Rows = tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]

OWN = "supi IN {names:Array(String)}"
CONCEALED = "supi IS NULL AND subscriber_reference IN {names:Array(String)}"
FORMATS = ("terminal", "html", "mermaid", "plantuml", "json")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("subscriber", metavar="SUBSCRIBER", help="imsi-…, or its pseudonym")
    parser.add_argument("--capture", metavar="FILE", help="look into a capture, without any stack")
    times = "2026-11-24, 2026-11-24T10:00:00 (UTC), or how long ago: 30m, 12h, 7d"
    parser.add_argument("--from", dest="start", metavar="TIME", help=f"begin: {times}; default: one day ago")
    parser.add_argument("--to", dest="stop", metavar="TIME", help="end, not included; default: now")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="default: terminal")
    parser.add_argument("--output", metavar="FILE", help="write there instead of standard output")
    parser.add_argument(
        "--plain-identifiers",
        action="store_true",
        help="of a capture: show identifiers as they are: for laboratories, never for live networks",
    )


def run(options: argparse.Namespace) -> int:
    """Find the subscriber's requests and draw them."""
    from dataclasses import replace

    from deploy.commands.report import deliver
    from deploy.subscriber import pseudonyms_by_any_key
    from schemas.config import load
    from streams.ladder.content import ladder

    if options.capture and (options.start or options.stop):
        raise Refusal("a capture is shown whole", "--from or --to beside --capture", "leave them out")
    config = load(options.config)
    plain = options.plain_identifiers and options.capture is not None
    config = replace(config, collector=replace(config.collector, plain_identifiers=plain))
    names = [options.subscriber] if plain else pseudonyms_by_any_key(config.collector, options.subscriber)
    rows = _of_capture(config, options.capture, names) if options.capture else _of_clickhouse(config, options, names)
    if not rows[0]:
        advice = "is the period right, and the pseudonym key?"
        raise Refusal("nothing is known of this subscriber", " or ".join(names), advice)
    met = {row["supi"] for row in rows[0]}
    name = " and ".join(one for one in names if one in met)
    deliver(_drawing(options.format)(ladder(name, *rows)), options.output)
    return 0


def _drawing(form: str) -> "Callable[[Any], str]":
    from streams.ladder import text
    from streams.ladder.page import page
    from streams.ladder.terminal import terminal

    drawings = {"terminal": terminal, "html": page, "mermaid": text.mermaid, "plantuml": text.plantuml}
    return drawings.get(form, text.as_json)


def _of_capture(config: "Config", path: str, names: list[str]) -> "Rows":
    """Return a capture's transactions and procedures of one subscriber."""
    import json
    from pathlib import Path

    from collector.pcap_source import PcapSource
    from deploy.capture import meaning_of, run_capture
    from deploy.procedures import ProcedureLines
    from deploy.transactions import TransactionLines

    told: list[bytes] = []
    over: list[bytes] = []
    lines = TransactionLines(told.append, config.streams)
    procedures = ProcedureLines(over.append, config.streams)

    def put(batch: Any) -> None:
        lines.put(batch)
        procedures.put(batch)

    source = PcapSource(Path(path), 0.0)
    run_capture(source, config, meaning_of(config.collector), put)
    lines.finish()
    procedures.finish()
    if source.problem is not None:
        raise source.problem
    both = [[json.loads(line) for line in b"".join(many).splitlines()] for many in (told, over)]
    transactions, found = ([row for row in rows if row["supi"] in names] for rows in both)
    sucis = _sucis(transactions)
    transactions += [row for row in both[0] if row["supi"] is None and row["subscriber_reference"] in sucis]
    return transactions, found


def _sucis(rows: "list[Mapping[str, Any]]") -> list[str]:
    """Return the SUCIs that were resolved in a subscriber's own requests.

    Where only the AMF's end is seen, the first request of an authentication names no more; each is used but once.
    """
    references = {row["subscriber_reference"] for row in rows} - {None}
    return sorted(one for one in references if one.startswith("suci-"))


def _of_clickhouse(config: "Config", options: argparse.Namespace, names: list[str]) -> "Rows":
    """Return the stored transactions and procedures of one subscriber in the period."""
    from deploy.accounts import reader
    from deploy.commands.report import parsed
    from streams.clickhouse import FAILURES, connect, said

    now_us = time.time_ns() // 1_000
    start, stop = parsed(options.start, now_us), parsed(options.stop, now_us)
    start_us = now_us - 86_400_000_000 if start is None else start
    places = {"names": names, "start": start_us / 1e6, "stop": (now_us if stop is None else stop) / 1e6}
    client = connect(reader(config))
    try:
        transactions = _asked(client, "transactions FINAL", "request_us", OWN, places)
        if sucis := _sucis(transactions):
            transactions += _asked(client, "transactions FINAL", "request_us", CONCEALED, places | {"names": sucis})
        return transactions, _asked(client, "procedures_once", "begin_us", OWN, places)
    except FAILURES as error:
        raise Refusal("the query failed", said(error), "has the schema been applied? (sbiscope schema)") from error
    finally:
        client.close()


def _asked(client: Any, table: str, begin: str, whose: str, places: dict[str, Any]) -> list[Mapping[str, Any]]:
    """Return rows with their times as microseconds since the epoch."""
    period = f"{begin} >= {{start:DateTime64(6)}} AND {begin} < {{stop:DateTime64(6)}}"
    sql = f"SELECT * FROM {table} WHERE {whose} AND {period} ORDER BY {begin} LIMIT 20000"  # noqa: S608
    found = client.query(sql, parameters=places, query_formats={"DateTime64*": "int"})
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
