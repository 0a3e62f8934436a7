"""An NF alone on its node falls silent, through a real broker and real workers, one of which is killed meanwhile."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import fastavro
import pytest
from confluent_kafka import Producer

from schemas.fields import document
from schemas.framing import frame
from schemas.plain import without_logical_types
from streams.alert_rules import is_quiet
from streams.kpi_quiet import MINUTE_S, TOLD
from tests.broker import broker, prepared
from tests.events import batch, request, response
from tests.kpis import KPI, read
from tests.local_stack import ROOT, until
from tests.reading import bodies

pytestmark = [pytest.mark.stack, pytest.mark.slow]
ALERT = fastavro.parse_schema(without_logical_types(document("alert")))
PARTITIONS, MINUTE_US = 4, 60_000_000
BEATS = {"operation": "Nnrf_NFManagement_NFUpdate", "consumer_nf": "UDM", "producer_nf": "NRF"}


def minutes(bootstrap: str, begin_us: int, numbers: range, beating: bool) -> None:
    """Let minutes of a node pass, a second each, with a heartbeat in each of them or none."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for number in numbers:
        at_us = begin_us + number * MINUTE_US
        beat = [request(2 * number + 1, at_us + 9, **BEATS), response(2 * number + 1, at_us + 99)] if beating else []
        body = batch(number + 1, beat, at_us + MINUTE_US)
        producer.produce("sbi.events", frame("sbi_event_batch", body), partition=0)
        assert producer.flush(10) == 0
        time.sleep(1.1)


def quiet_minutes(bootstrap: str) -> set[tuple[str, int]]:
    """Return what was told with nothing in it: whose, and when it began."""
    rows = [read(KPI, one) for one in bodies(bootstrap, "sbi.kpis", PARTITIONS)]
    return {(one["kpi_id"], one["window_start_us"]) for one in rows if one["window_s"] == MINUTE_S and is_quiet(one)}


def test_who_is_alone_and_falls_silent_is_told_once(tmp_path: Path) -> None:
    with broker() as kafka:
        environment = prepared(kafka.bootstrap, PARTITIONS)
        stages = [word for name in ("pairing", "kpis", "alerts") for word in ("--stage", name)]

        def worker() -> "subprocess.Popen[bytes]":
            command = [sys.executable, "-m", "deploy.cli", "streams", "--instance", "one", *stages]
            with (tmp_path / "worker.log").open("ab") as log:
                return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

        running = worker()
        try:
            begin_us = (time.time_ns() // 1_000 - 14 * MINUTE_US) // MINUTE_US * MINUTE_US
            minutes(kafka.bootstrap, begin_us, range(4), beating=True)
            minutes(kafka.bootstrap, begin_us, range(4, 7), beating=False)
            running.send_signal(signal.SIGKILL)
            running.wait(10)
            running = worker()
            minutes(kafka.bootstrap, begin_us, range(7, 12), beating=False)
            until(lambda: any(bodies(kafka.bootstrap, "sbi.alerts", PARTITIONS)), 90)
            until(lambda: len(quiet_minutes(kafka.bootstrap)) >= TOLD, 90)
        finally:
            running.kill()
            running.wait(10)
        alerts = [read(ALERT, one) for one in bodies(kafka.bootstrap, "sbi.alerts", PARTITIONS)]
        quiet = quiet_minutes(kafka.bootstrap)
    assert {one["alarm_id"]: (one["specific_problem"], one["perceived_severity"]) for one in alerts} == {
        alerts[0]["alarm_id"]: ("heartbeats_absent", "critical")
    }
    assert sorted((at_us - begin_us) // MINUTE_US for _, at_us in quiet) == list(range(4, 4 + TOLD))
