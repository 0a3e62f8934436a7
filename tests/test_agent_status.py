"""How the agent fares: as Avro, as Prometheus' text, over HTTP."""

import io
import os
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from http.client import HTTPConnection
from pathlib import Path

import fastavro
import pytest

from collector.agent_status import AgentStatus, delivery_of, exposition
from collector.health import HealthServer
from collector.usage import NodeTime, node_time, usage_of
from schemas.fields import document, fields_of
from schemas.refusal import Refusal

STATUS = AgentStatus(
    "lab", 'n"1', "boot:1", 1, 2, "0.1.0", "6.18", "sock", ("no_capabilities",), 1, 2, "less", 13, 3, 101, 7, 97, 6,
    1_500_000, {"observer": 1_250_000}, {"observer": 31_000_000}, {"gaps": 5}, {"connections": 9},
)  # fmt: skip


def test_the_record_has_the_fields_of_the_schema() -> None:
    assert [one.name for one in fields(AgentStatus)] == [name for name, _ in fields_of("agent", "Agent")]
    told = delivery_of(STATUS)
    row = fastavro.schemaless_reader(io.BytesIO(told.body), dict(document("agent")), None)
    assert told.key == b'lab/n"1'
    assert (row["loss"], row["confined"], row["backoff_step"]) == ({"gaps": 5}, ["no_capabilities"], 2)


def test_prometheus_reads_it() -> None:
    lines = exposition(STATUS).splitlines()
    assert 'sbiscope_agent{node="n\\"1",site="lab",version="0.1.0",hook="sock"} 1' in lines
    assert 'sbiscope_lost_total{reason="gaps"} 5' in lines
    assert 'sbiscope_cpu_seconds_total{process="observer"} 1.25' in lines
    assert 'sbiscope_resident_memory_bytes{process="observer"} 31000000' in lines
    assert "sbiscope_watermark_seconds 1.500000" in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.split("{")[0].split()[0] for line in lines if line[0] != "#"} <= named


@pytest.fixture
def ailments() -> list[str]:
    return []


@pytest.fixture
def server(ailments: list[str]) -> Iterator[HealthServer]:
    running = HealthServer("127.0.0.1", 0, lambda: exposition(STATUS), lambda: "".join(ailments))
    running.start()
    yield running
    running.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    link = HTTPConnection("127.0.0.1", server.port, timeout=5)
    link.request("GET", path)
    answer = link.getresponse()
    return answer.status, answer.read().decode()


def test_it_is_served(server: HealthServer, ailments: list[str]) -> None:
    assert get(server, "/metrics") == (200, exposition(STATUS))
    assert get(server, "/healthz") == (200, "well\n")
    ailments.append("the observer has said nothing for 11 s")
    assert get(server, "/healthz") == (503, "the observer has said nothing for 11 s\n")
    assert get(server, "/etc/passwd")[0] == 404


def test_it_is_served_on_ipv6_too() -> None:
    running = HealthServer("::1", 0, lambda: "", lambda: "")
    running.start()
    try:
        link = HTTPConnection("::1", running.port, timeout=5)
        link.request("GET", "/healthz")
        assert link.getresponse().read() == b"well\n"
    finally:
        running.close()


def test_a_taken_port_is_refused(server: HealthServer) -> None:
    with pytest.raises(Refusal, match="cannot serve metrics"):
        HealthServer("127.0.0.1", server.port, str, str)


def test_of_a_process_that_has_ended_nothing_is_told() -> None:
    assert usage_of(2**22 + 1) is None
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert usage_of(ended.pid) is None  # its number is still taken: nobody has asked for its end yet
    init = usage_of(1)
    assert init is not None
    assert init.rss_bytes > 0


def test_a_node_is_full_where_little_time_was_idle(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 20 30 400 40 5 6 7 8 9\ncpu0 1 2 3 4\n")
    assert node_time(tmp_path) == NodeTime(440, 518)
    assert not NodeTime(440, 518).is_full_since(NodeTime(440, 518))
    assert NodeTime(459, 618).is_full_since(NodeTime(440, 518))
    assert not NodeTime(460, 618).is_full_since(NodeTime(440, 518))
    assert node_time(tmp_path / "none") == NodeTime()
    now = node_time()
    assert 0 < now.idle < now.total
