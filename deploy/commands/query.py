"""`sbiscope query SQL`: one query as the reader, its rows as a table, CSV or JSON."""

import argparse
import csv
import ipaddress
import json
import math
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TextIO

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FORMATS = ("table", "csv", "json", "jsonl")
TABLE_ROWS = 10_000  # a table is laid out in memory; the other formats stream


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `query` takes."""
    parser.add_argument("sql", metavar="SQL", nargs="?", help="one statement; - reads it from standard input")
    parser.add_argument("--cookbook", metavar="NAME", help="run a query of the cookbook instead; 'list' shows them")
    parser.add_argument("--format", choices=FORMATS, default="table", help="table (default), csv, json, jsonl")
    bind = "bind VALUE to {NAME:Type} in the SQL; may be repeated"
    parser.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help=bind)


def run(options: argparse.Namespace) -> int:
    """Run the query and print its rows."""
    from deploy.accounts import reader
    from schemas.config import load
    from streams.clickhouse import FAILURES, connect, placed, said
    from streams.cookbook import PERIOD

    if options.cookbook == "list":
        return _list()
    sql = _chosen(options)
    parameters = PERIOD | dict(_bound(text) for text in options.param)
    client = connect(reader(load(options.config)))
    try:
        with client.query_rows_stream(sql, parameters=placed(sql, parameters)) as stream:
            names = stream.source.column_names or _described(client, sql, parameters)
            write(options.format, names, stream, sys.stdout)
        if options.cookbook is not None and (left := unrolled(client, sql)):
            print(f"sbiscope query: {left}", file=sys.stderr)
    except FAILURES as error:
        raise Refusal("the query failed", said(error)) from error
    finally:
        client.close()
    return 0


def unrolled(client: "Client", sql: str) -> str | None:
    """Return what a query that reads rollups does not count yet, in words; None where it counts all."""
    from streams.clickhouse import rows
    from streams.rollup import BEHIND, LACKING, READ, SINCE_MORE, TABLES

    if not any(view in sql for view in READ):
        return None
    ((many, since),) = rows(client, BEHIND)
    told = [f"{many:,} rows stored since the last roll ({since} UTC) are not counted yet"] if many else []
    if any(view in sql for view in SINCE_MORE) and (lacking := rows(client, LACKING, {"tables": len(TABLES)})):
        told.append(f"nothing of {len(lacking):,} slots of five minutes that an earlier release rolled is in it")
    return "; ".join(told) or None


def _list() -> int:
    from streams.cookbook import recipes

    for recipe in recipes().values():
        print(f"{recipe.name:<32} {recipe.tells}")
    return 0


def _chosen(options: argparse.Namespace) -> str:
    """Return the SQL to run: given, read, or from the cookbook."""
    from streams.cookbook import recipes

    if (options.sql is None) == (options.cookbook is None):
        raise Refusal("no query", "", "give either SQL or --cookbook NAME")
    if options.cookbook is not None:
        recipe = recipes().get(options.cookbook)
        if recipe is None:
            raise Refusal("no such query in the cookbook", options.cookbook, "--cookbook list shows them")
        return recipe.sql
    return sys.stdin.read() if options.sql == "-" else str(options.sql)


def _described(client: "Client", sql: str, parameters: dict[str, str]) -> list[str]:
    """Return the column names of a query without rows, whose answer names none; nothing for SHOW and its like."""
    from streams.clickhouse import FAILURES, rows

    try:
        return [row[0] for row in rows(client, f"DESCRIBE TABLE (\n{sql.rstrip().rstrip(';')}\n)", parameters)]
    except FAILURES:
        return []


def _bound(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise Refusal("not a parameter", text, "write --param name=value")
    return name, value


def write(form: str, names: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    """Write `rows` to `out` in one of FORMATS."""
    {"table": _table, "csv": _csv, "json": _json, "jsonl": _jsonl}[form](names, rows, out)


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    from streams.report.inert import visible
    from streams.report.terminal import table

    shown: list[list[str]] = []
    kinds, more = [True] * len(names), False
    for row in rows:
        if len(shown) == TABLE_ROWS:
            more = True
            break
        kinds = [kind and not isinstance(value, (int, float, Decimal)) for kind, value in zip(kinds, row, strict=True)]
        shown.append([visible(_text(value)) for value in row])
    out.writelines(line + "\n" for line in table([visible(name) for name in names], shown, kinds))
    if not shown:
        out.write("(no rows)\n")
    if more:
        out.write(f"(the first {TABLE_ROWS:,} rows; --format csv or jsonl gives all)\n")


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    from streams.report.inert import cell, visible

    shown = visible if out.isatty() else str
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(shown(name)) for name in names])
    for row in rows:
        writer.writerow(
            ["" if value is None else value if _is_number(value) else cell(shown(_text(value))) for value in row]
        )


def _json(names: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    between = "[\n"
    for line in _objects(names, rows):
        out.write(between + line)
        between = ",\n"
    out.write("\n]\n" if between == ",\n" else "[]\n")


def _jsonl(names: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO) -> None:
    out.writelines(line + "\n" for line in _objects(names, rows))


def _objects(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for row in rows:
        text = json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=True, allow_nan=False)
        yield text.replace("\x7f", "\\u007f")


def _text(value: Any) -> str:
    """Return a value as text: null as such, text as it is, anything made of parts as JSON."""
    if value is None:
        return "null"
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; times in ISO 8601, what JSON cannot hold as text or null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (Decimal, uuid.UUID, ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(one) for one in value]
    return str(value)
