"""`sbiscope tail`: transactions as they come, a line each."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.config import Config
    from streams.where import Row, Test

TOPIC, SCHEMA, RECORD = "sbi.transactions", "sbi_transaction_batch", "SbiTransaction"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--where", metavar="EXPRESSION", help="only these: field=value, field~part, and, or, not, ( ); null is unknown"
    )
    parser.add_argument("--subscriber", metavar="SUBSCRIBER", help="only those of imsi-…, or of its pseudonym")
    parser.add_argument("--json", action="store_true", help="JSON lines with every field")
    parser.add_argument("--from-beginning", action="store_true", help="what the topic still holds first")
    parser.add_argument("--count", type=int, metavar="N", help="end after N of them (default: never)")
    parser.add_argument("--fields", action="store_true", help="list the fields that --where knows, and end")


def run(options: argparse.Namespace) -> int:
    """Follow until interrupted, or until --count is reached."""
    import asyncio
    import sys
    from itertools import islice

    from deploy.following import following
    from schemas.config import load
    from schemas.fields import fields_of

    kinds = dict(fields_of(SCHEMA, RECORD))
    if options.fields:
        print("\n".join(f"{name}  {kind}" for name, kind in kinds.items()))
        return 0
    config = load(options.config)
    wanted = _wanted(options, config, kinds)
    shown = _json if options.json else _line
    with following(config, TOPIC, SCHEMA, options.from_beginning) as topic, asyncio.Runner() as runner:
        print(f"sbiscope tail: following {TOPIC}", file=sys.stderr, flush=True)
        rows = (row for row in topic.rows(runner, sys.stdout.flush) if wanted(row))
        try:
            for row in islice(rows, options.count):
                print(shown(row))
        finally:
            if topic.unreadable:
                print(f"sbiscope tail: {topic.unreadable} batches could not be read", file=sys.stderr)
    return 0


def _wanted(options: argparse.Namespace, config: "Config", kinds: "dict[str, str]") -> "Test":
    """Return what tells the records asked for. Raises Refusal: no expression, no subscriber."""
    from deploy.subscriber import pseudonym_of
    from streams.where import where

    test = where(options.where, kinds) if options.where else lambda _: True
    if options.subscriber is None:
        return test
    name = pseudonym_of(config.collector, options.subscriber)
    return lambda row: row["supi"] == name and test(row)


def _json(row: "Row") -> str:
    """Return ASCII: control and deceptive characters are escapes."""
    import json

    return json.dumps(row, separators=(",", ":")).replace("\x7f", "\\u007f")


def _line(row: "Row") -> str:
    from streams.tail import line

    return line(row)
