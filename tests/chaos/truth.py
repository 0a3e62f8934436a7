"""What must have come out: counted from the log of sbi.events and from the collectors' journal, without any fold."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro

from schemas.fields import document
from schemas.framing import Unframed, unframe
from schemas.identity import transaction_id
from schemas.plain import without_logical_types
from tests.kpis import read
from tests.reading import log

DEFAULT_MS = 10_000
EVENTS = fastavro.parse_schema(without_logical_types(document("sbi_event_batch")))
QUARANTINED = fastavro.parse_schema(without_logical_types(document("quarantined")))
Row = dict[str, Any]
Planted = dict[tuple[str, int, int], bytes]  # (topic, partition, offset) → bytes


@dataclass(slots=True)
class Incarnation:
    """What stands in the log of one incarnation, each batch once."""

    sequences: set[int] = field(default_factory=set)
    watermark_us: int = 0
    requests: dict[str, Row] = field(default_factory=dict)
    answers: dict[str, Row] = field(default_factory=dict)


def messages(bootstrap: str, topic: str, partitions: int) -> Iterable[tuple[int, int, bytes | None, bytes]]:
    """Yield (partition, offset, key, value) of a topic, ticks left out."""
    for one in log(bootstrap, topic, partitions):
        if one.value:
            yield one.partition, one.offset, one.key, one.value


def logged(bootstrap: str, partitions: int, planted: Planted) -> dict[tuple[str, str], Incarnation]:
    """Return what the log of sbi.events holds, by node and incarnation."""
    found: dict[tuple[str, str], Incarnation] = defaultdict(Incarnation)
    for partition, offset, _, value in messages(bootstrap, "sbi.events", partitions):
        if ("sbi.events", partition, offset) in planted:
            continue
        one = read(EVENTS, unframe(value)[1])
        here = found[one["node"], one["incarnation"]]
        if one["sequence"] in here.sequences:
            continue
        here.sequences.add(one["sequence"])
        here.watermark_us = max(here.watermark_us, one["watermark_us"] + one["final"])
        for event in one["events"]:
            key = transaction_id(event["connection_id"], event["stream_id"])
            (here.requests if event["half"] == "request" else here.answers)[key] = event
    return found


def outcomes(log: dict[tuple[str, str], Incarnation]) -> dict[str, set[str]]:
    """Return what may stand as each transaction's outcome."""
    wanted: dict[str, set[str]] = {}
    for here in log.values():
        assert not here.answers.keys() - here.requests.keys()
        for key, asked in here.requests.items():
            assert key not in wanted
            deadline_us = asked["first_byte_us"] + (asked["max_rsp_time_ms"] or DEFAULT_MS) * 1_000
            answer = here.answers.get(key)
            if answer is None:
                wanted[key] = {"unanswered" if deadline_us < here.watermark_us else "unknown"}
            elif answer["first_byte_us"] > deadline_us:
                wanted[key] = {"late"}
            else:
                wanted[key] = _of_status(answer["status"])
    return wanted


def _of_status(status: int) -> set[str]:
    return {"success"} if status < 300 else {"server_error"} if status >= 500 else {"client_error", "business"}


def journal(path: Path) -> set[tuple[str, str, int]]:
    """Return (node, incarnation, sequence) of what Kafka said it took; a killed writer's last line is cut."""
    lines = (line.split(" ") for line in path.read_text().splitlines())
    return {(one[0], one[1], int(one[2])) for one in lines if len(one) == 3 and one[2].isdigit()}


def quarantined(bootstrap: str) -> Planted:
    """Return what lies in the quarantine; asserts that a repeat is the same."""
    found: Planted = {}
    for _, _, _, value in messages(bootstrap, "sbi.quarantine", 1):
        try:
            row = read(QUARANTINED, unframe(value)[1])
        except Unframed as unframed:
            raise AssertionError("the quarantine itself is garbage") from unframed
        place = row["topic"], row["partition"], row["offset"]
        assert found.setdefault(place, row["value"]) == row["value"]
    return found
