"""Two small folds in a chain, to run on the real runtime: `python -m tests.stages PREFIX BOOTSTRAP STAGE ...`."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.config import Kafka
from schemas.framing import single_object_mark
from schemas.kafka import client_settings
from schemas.topics import QUARANTINE
from streams.fold import Facts, Numbering, Rows, Taken, zigzag
from streams.reframe import Malformed
from streams.runtime.folding import Folding, Plan
from streams.runtime.process import Job, Place, Surroundings, run

EVENTS, TRANSACTIONS, KPIS = "sbi.events", "sbi.transactions", "sbi.kpis"


class Scatter:
    """Bodies are lines of numbers; each number becomes a row of the partition it names, a tick counts."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.numbering = Numbering()
        self.counts = {"numbers": 0, "ticks": 0}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        if schema is None:
            self.counts["ticks"] += 1
            return []
        if body == b"fail":
            raise RuntimeError("as told")
        if not body.replace(b" ", b"").isdigit():
            raise Malformed("not numbers")
        rows: dict[int, list[bytes]] = {}
        for number in map(int, body.split()):
            self.counts["numbers"] += 1
            record = zigzag(number)
            rows.setdefault(number % self.facts.outputs[TRANSACTIONS], []).append(record)
        return [self.numbering.rows(TRANSACTIONS, *item) for item in sorted(rows.items())]

    def pass_over(self) -> None:
        self.counts["passed"] = self.counts.get("passed", 0) + 1

    def dump(self) -> bytes:
        last = [[*key, number] for key, number in self.numbering.last.items()]
        return json.dumps([last, self.counts]).encode()

    def load(self, state: bytes) -> None:
        last, self.counts = json.loads(state)
        self.numbering.last = {(topic, partition): number for topic, partition, number in last}


class Sum:
    """Adds up what Scatter gave, by number modulo 10; each sum is published again when it changed."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.taken = Taken()
        self.numbering = Numbering()
        self.sums: dict[str, list[int]] = {}
        self.counts = {"repeats": 0}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        if schema is None:
            return []
        values = longs(body)
        writer, first, count = values[0], values[1], values[2]
        repeats = self.taken.fresh(writer, first, count)
        self.counts["repeats"] += repeats
        changed = {}
        for number in values[3 + repeats : 3 + count]:
            one = self.sums.setdefault(str(number % 10), [0, 0])
            one[0] += 1
            one[1] += number
            changed[number % 10] = one
        records = [
            zigzag(key) + zigzag(count) + zigzag(total) + zigzag(self.facts.partition)
            for key, (count, total) in sorted(changed.items())
        ]
        keys = [b"%d" % key for key in sorted(changed)]
        partitions = self.facts.outputs[KPIS]
        by_partition: dict[int, list[int]] = {}
        for place, key in enumerate(sorted(changed)):
            by_partition.setdefault(key % partitions, []).append(place)
        return [
            self.numbering.rows(KPIS, partition, [records[i] for i in places], [keys[i] for i in places])
            for partition, places in sorted(by_partition.items())
        ]

    def pass_over(self) -> None:
        self.taken.forgiven = set()

    def dump(self) -> bytes:
        last = [[*key, number] for key, number in self.numbering.last.items()]
        return json.dumps([last, self.taken.last, self.sums, self.counts], sort_keys=True).encode()

    def load(self, state: bytes) -> None:
        last, taken, self.sums, self.counts = json.loads(state)
        self.numbering.last = {(topic, partition): number for topic, partition, number in last}
        self.taken.last = {int(key): number for key, number in taken.items()}


def longs(body: bytes) -> list[int]:
    values, value, shift = [], 0, 0
    for octet in body:
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            values.append(value >> 1 ^ -(value & 1))
            value = shift = 0
    return values


FOLDS = {
    "pairing": (EVENTS, (TRANSACTIONS,), Scatter),
    "kpis": (TRANSACTIONS, (KPIS,), Sum),
}


def job(name: str) -> Job:
    topic, outputs, fold = FOLDS[name]

    def stage(around: Surroundings) -> Folding:
        counted = {one: around.partitions[one] for one in (*outputs, QUARANTINE)}
        marks = {
            TRANSACTIONS: single_object_mark("sbi_transaction_batch"),
            KPIS: single_object_mark("quarantined"),
            QUARANTINE: single_object_mark("quarantined"),
        }
        plan = Plan(name, topic, fold, counted, marks, ticks=True, checkpoint_s=0.5)
        return Folding(plan, around.reader, around.writers, around.fail)

    return Job(name, topic, outputs, stage)


if __name__ == "__main__":
    prefix, bootstrap, figures, *names = sys.argv[1:]
    kafka = Kafka(topic_prefix=prefix)
    place = Place(kafka, bootstrap, client_settings(kafka, bootstrap), os.environ.get("INSTANCE", ""), Path(figures))
    sys.exit(run([job(name) for name in names], place))
