"""What becomes of a migration's statement on a cluster: each stored table is a replicated one behind a distributed one.

`<table>_local` holds the rows of a shard; `<table>`, as everything else names it, reads and writes all shards. Rows are
sharded by the sorting key, which is what a ReplacingMergeTree replaces by: all versions of a row meet on one shard.
"""

import re

LOCAL = "_local"
_CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS (?P<name>\w+\.\w+) (?P<on>ON CLUSTER \w+)\n")
_KEY = re.compile(r"^ORDER BY \(?(?P<columns>[\w, ]+?)\)?$", re.MULTILINE)
_COMMENT = re.compile(r"^COMMENT '(?:[^'\\]|\\.|'')*'\Z", re.MULTILINE)
_ALTERED = re.compile(r"ALTER TABLE (?P<name>\w+\.\w+) ")
_PASSING = ("_arriving", "_arrival")  # entrances and their views store nothing
_OF_PARTS = re.compile(r"^\s*(?:ADD|DROP|MATERIALIZE) (?:INDEX|PROJECTION)|MODIFY (?:TTL|SETTING)", re.MULTILINE)
_IN_OTHERS = re.compile(r"(?<!GLOBAL )\bIN(?=\s*\(\s*SELECT\b)")
_MODIFIED_KEY = re.compile(
    r",\s*MODIFY ORDER BY \([\w, ]+\)$"
)  # of the rows; shards are found by the key as it was created
# What is moved goes to the shard where it belongs, and is there when the statement returns.
_MOVING = "SETTINGS parallel_distributed_insert_select = 0, distributed_foreground_insert = 1"


def spread(statement: str, cluster: str) -> list[str]:
    """Return what to run on `cluster` for a statement that says `ON CLUSTER` already; in this order.

    Raises ValueError where a stored table is not written as the others are, so that its rows could not be sharded.
    """
    created = _CREATED.match(statement)
    if created and "ReplacingMergeTree" in statement:
        return [_renamed(statement, created["name"]), _distributed(statement, created, cluster)]
    altered = _ALTERED.match(statement)
    if altered and not altered["name"].endswith(_PASSING):
        local = _renamed(statement, altered["name"])
        return [local] if _OF_PARTS.search(statement) else [local, _MODIFIED_KEY.sub("", statement)]
    if statement.startswith("INSERT INTO "):
        return [f"{statement}\n{_MOVING}"]
    return [_IN_OTHERS.sub("GLOBAL IN", statement)]  # a shard has a part only of what stands in another table


def _renamed(statement: str, name: str) -> str:
    return statement.replace(f" {name} ", f" {name}{LOCAL} ", 1)


def _distributed(statement: str, created: re.Match[str], cluster: str) -> str:
    key, comment = _KEY.search(statement), _COMMENT.search(statement)
    if key is None or comment is None:
        raise ValueError(f"no sorting key of plain columns, or no comment: {created['name']}")
    database, _, table = created["name"].partition(".")
    # A sharding key may not be null, a column of the sorting key may.
    engine = f"Distributed({cluster}, {database}, {table}{LOCAL}, cityHash64(toString(({key['columns']},))))"
    head = f"CREATE TABLE IF NOT EXISTS {created['name']} {created['on']} AS {created['name']}{LOCAL}"
    return f"{head}\nENGINE = {engine}\n{comment[0]}"
