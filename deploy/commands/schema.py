"""`sbiscope schema`: bring topics, tables and published Avro schemas to what this release uses; may be run again."""

import argparse
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from schemas.refusal import Refusal

if TYPE_CHECKING:
    from schemas.config import ClickHouse, Config
    from streams.clickhouse import Account


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=["acl", "grow", "drained"],
        help="acl: print which rights each part needs on Kafka, and change nothing; grow: make a further generation of "
        "topics with more partitions; drained: say whether the workers of this generation have nothing left to do",
    )
    parser.add_argument("--partitions", type=int, default=0, metavar="N", help="of grow: so many partitions")
    parser.add_argument("--apply", action="store_true", help="of acl: give these rights to the users")
    parser.add_argument(
        "--user",
        action="append",
        default=[],
        metavar="PART=NAME",
        help="of acl: the Kafka user of agent, loader (of captures), operator (status, tail), resolver, schema, "
        "worker, or of one stage; may be repeated (default: sbiscope-agent, sbiscope-loader …)",
    )


def run(options: argparse.Namespace) -> int:
    """Do each part and say what was done."""
    from deploy.accounts import writer
    from schemas.config import load

    config = load(options.config)
    if options.partitions and options.what != "grow":
        raise Refusal("--partitions is of grow", "no grow", "write: sbiscope schema grow --partitions N")
    if options.what == "acl":
        return _acl(config, options)
    if options.apply or options.user:
        raise Refusal("--apply and --user are of acl", "no acl", "write: sbiscope schema acl --apply")
    if options.what in {"grow", "drained"}:
        return _generations(config, options)
    for line in kafka(config):
        print(line)
    for line in clickhouse(writer(config), config.clickhouse):
        print(line)
    return 0


def _acl(config: "Config", options: argparse.Namespace) -> int:
    from deploy.acls import give, rights
    from deploy.sinks import client

    users = {}
    for text in options.user:
        part, equals, name = text.partition("=")
        if not equals or not name:
            raise Refusal("--user names no user", text, "write it as agent=NAME")
        users[part] = name
    wanted = rights(config, users)
    if options.apply:
        give(client(config), wanted)
    for right in wanted:
        print(right)
    return 0


def _generations(config: "Config", options: argparse.Namespace) -> int:
    """Grow, or say what is left; 1 while there is something."""
    from deploy.generations import grow, undrained
    from deploy.sinks import client
    from streams.runtime.link import Broken

    settings = client(config)
    if options.what == "grow":
        for line in grow(settings, config.kafka, options.partitions):
            print(line)
        return 0
    try:
        left = list(undrained(settings, config))
    except Broken as broken:
        raise Refusal("the workers' states cannot be read", str(broken)) from broken
    print("\n".join(left or ["drained: the workers of this generation have nothing left to do"]))
    return 1 if left else 0


def kafka(config: "Config") -> Iterator[str]:
    """Create and check the topics, publish the schemas, and yield what was done, a line each; raises Refusal."""
    from deploy.sinks import client
    from deploy.topics import bring_topics, publish_schemas

    settings = client(config)
    yield from bring_topics(settings, config.kafka)
    yield from publish_schemas(settings, config.kafka)


def clickhouse(account: "Account", wanted: "ClickHouse") -> Iterator[str]:
    """Migrate the database of `account`, set how long its rows are kept, and yield what was done, a line each.

    Raises Refusal when the server is away or refuses a statement.
    """
    from streams.clickhouse import FAILURES, connect, said
    from streams.migrate import Form, migrate, retain
    from streams.retention import ends

    form = Form(account.database, wanted.cluster)
    client = connect(account, "default")
    try:
        applied = migrate(client, form, f"{os.uname().nodename}:{os.getpid()}")
        retain(client, form, ends(wanted))
    except FAILURES as error:
        advice = f"the account {account.user} needs all rights on the database {account.database}"
        raise Refusal("a migration failed", said(error), advice) from error
    finally:
        client.close()
    yield from (f"clickhouse: applied {one.number:04}_{one.name}" for one in applied)
    if not applied:
        yield f"clickhouse: {account.database} is up to date"
