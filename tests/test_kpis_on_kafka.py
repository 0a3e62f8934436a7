"""The suite capture through a real broker: collector, pairing, KPI stage, killed; every KPI as counted slowly."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.fields import document
from schemas.kafka_bounds import bounds
from schemas.plain import without_logical_types
from streams.kpi_windows import WIDTHS_S
from tests import tshark
from tests.broker import broker, prepared
from tests.kpis import KEY, KPI, Row, check, counted, read
from tests.local_stack import until
from tests.reading import bodies

pytestmark = [pytest.mark.stack, pytest.mark.slow]
BATCH = fastavro.parse_schema(without_logical_types(document("sbi_transaction_batch")))
PARTITIONS, EXCHANGES = 2, 4_636
ROOT = Path(__file__).parent.parent


def settled(bootstrap: str, topics: tuple[str, ...], within_s: float = 90) -> None:
    """Wait until nothing was appended to any of `topics` for some seconds."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "ends", "log_level": 0})
    end, last, since = time.monotonic() + within_s, -1, time.monotonic()
    while time.monotonic() < end and (last <= 0 or time.monotonic() - since < 6):
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        total = sum(bounds(reader, place)[1] for place in places)
        if total != last:
            last, since = total, time.monotonic()
        time.sleep(0.3)
    reader.close()


def kpis_of(bootstrap: str) -> dict[tuple[Any, ...], Row]:
    """Return the last version of each KPI in the topic."""
    latest: dict[tuple[Any, ...], Row] = {}
    for body in bodies(bootstrap, "sbi.kpis", PARTITIONS):
        row = read(KPI, body)
        place = row["window_s"], row["window_start_us"], *(row[name] for name in KEY)
        if row["version"] >= latest.get(place, row)["version"]:
            latest[place] = row
    return latest


def whole(kpis: dict[tuple[Any, ...], Row]) -> bool:
    """Tell whether windows of each length count every request."""
    return all(
        sum(row["requests"] for row in kpis.values() if row["window_s"] == width_s) == EXCHANGES for width_s in WIDTHS_S
    )


def test_every_kpi_in_the_topic_equals_a_slow_count(tmp_path: Path) -> None:
    with broker() as kafka:
        environment = prepared(kafka.bootstrap, PARTITIONS)

        def run(*words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "deploy.cli", *words]
            with (tmp_path / f"{words[0]}.log").open("ab") as log:
                return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

        workers = {stage: run("streams", "--instance", stage, "--stage", stage) for stage in ("pairing", "kpis")}
        try:
            assert (
                run("collect", "--to", "kafka", "--source", str(tshark.CAPTURES / "open5gs-suite-scp.pcapng")).wait(60)
                == 0
            )
            time.sleep(3)
            for stage, worker in list(workers.items()):
                worker.send_signal(signal.SIGKILL)
                worker.wait(10)
                workers[stage] = run("streams", "--instance", stage, "--stage", stage)
            until(lambda: whole(kpis_of(kafka.bootstrap)), 150)  # who was killed is waited for by its group
            settled(kafka.bootstrap, ("sbi.transactions", "sbi.kpis"))
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait(10)
        told: dict[str, Row] = {}
        batches = (read(BATCH, body) for body in bodies(kafka.bootstrap, "sbi.transactions", PARTITIONS))
        for row in (row for one in batches for row in one["transactions"]):
            if row["version"] >= told.get(row["transaction_id"], row)["version"]:
                told[row["transaction_id"]] = row
        latest = kpis_of(kafka.bootstrap)
    assert len(told) == EXCHANGES
    check(latest, counted(told.values()))
