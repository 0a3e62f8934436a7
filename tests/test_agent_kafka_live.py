"""The agent with a broker: flows of every connection, SBI or not, and how the agent itself fares."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import observing_line
from deploy.demo_peers import Consumer, producers
from tests.kernel import LIVE
from tests.local_stack import EPOCH
from tests.mock_broker import mock_broker, published

pytestmark = LIVE
ROOT = Path(__file__).parent.parent
# As in the agent's image, which has no streams.
AS_IN_THE_IMAGE = "import sys; sys.modules['streams'] = None; from deploy.cli import main; sys.exit(main())"
SENT, ANSWERED = 70_001, 10_007  # bytes, primes


@pytest.fixture(scope="module")
def seen() -> dict[str, list[dict[str, Any]]]:
    """Let an agent watch SBI and something else; return what it published by topic."""
    with mock_broker() as bootstrap, producers() as port, listening() as first, listening() as second:
        others = [one.getsockname()[1] for one in (first, second)]
        environment = {
            **os.environ,
            "SBISCOPE_KAFKA_BOOTSTRAP": bootstrap,
            "SBISCOPE_SITE_NODE": "n1",
            # What others speak on this host is joined late, and so in part lost.
            "SBISCOPE_COLLECTOR_PORTS": ",".join(map(str, (port, *others))),
        }
        command = [sys.executable, "-c", AS_IN_THE_IMAGE, "collect"]
        running = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        assert running.stderr is not None
        assert "observing" in observing_line(running.stderr)
        time.sleep(1.2)  # flows are told from the first second on
        consumer = Consumer(port)
        consumer.exchange(0)
        consumer.close()
        exchanged(first, client_closes_first=True)
        exchanged(second, client_closes_first=False)
        time.sleep(1.5)
        running.send_signal(signal.SIGTERM)
        assert "nothing lost" in running.communicate(timeout=30)[1]
        found = {name: published(bootstrap, f"sbi.{name}s", name) for name in ("flow", "agent")}
        found |= {f"{name}.json": published(bootstrap, f"sbi.{name}s.json", "") for name in ("flow", "agent")}
        return found | {"ports": [{"sbi": port, "other": one} for one in others]}


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def exchanged(listener: socket.socket, client_closes_first: bool) -> None:
    """Exchange bytes that are no SBI on a new connection."""
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.sendall(b"x" * SENT)
    taken(server, SENT)
    server.sendall(b"y" * ANSWERED)
    taken(client, ANSWERED)
    first, second = (client, server) if client_closes_first else (server, client)
    first.close()
    assert second.recv(1) == b""
    second.close()


def taken(link: socket.socket, count: int) -> None:
    while count:
        count -= len(link.recv(count))


def ends(seen: dict[str, list[dict[str, Any]]], port: int) -> list[dict[str, Any]]:
    return [flow for flow in seen["flow"] if port in {flow["local_port"], flow["remote_port"]}]


def test_every_connection_is_told_at_its_end_with_its_bytes(seen: dict[str, list[dict[str, Any]]]) -> None:
    for one in seen["ports"]:
        by_role = {flow["role"]: flow for flow in ends(seen, one["other"])}
        assert set(by_role) == {"client", "server"}
        client, server = by_role["client"], by_role["server"]
        assert (client["sent_bytes"], client["received_bytes"]) == (SENT, ANSWERED)
        assert (server["sent_bytes"], server["received_bytes"]) == (ANSWERED, SENT)
        for flow in (client, server):
            assert flow["closed"]
            assert flow["process_id"] == os.getpid()
            assert flow["carries"] == "other"
            assert flow["node"] == "n1"
            assert 0 < flow["duration_us"] < 60_000_000


def test_sbi_is_marked_as_such(seen: dict[str, list[dict[str, Any]]]) -> None:
    found = ends(seen, seen["ports"][0]["sbi"])
    assert {(flow["role"], flow["carries"]) for flow in found} == {("client", "sbi"), ("server", "sbi")}


@pytest.mark.parametrize("name", ["flow", "agent"])
def test_all_stands_as_json_too(seen: dict[str, list[dict[str, Any]]], name: str) -> None:
    def sorts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        plain = [
            {key: _us(value) if "datetime" in repr(value) else value for key, value in row.items()} for row in rows
        ]
        return sorted(plain, key=lambda row: (row.get("connection_id", ""), row["told_us"]))

    assert sorts(seen[name]) == sorts(seen[f"{name}.json"]) != []


def _us(when: Any) -> int:
    return round((when - EPOCH).total_seconds() * 1_000_000)


def test_the_agent_tells_how_it_fares(seen: dict[str, list[dict[str, Any]]]) -> None:
    status = seen["agent"][0]
    assert (status["node"], status["hook"], status["observers"], status["backoff_step"]) == ("n1", "sock", 1, 0)
    assert {"no_capabilities", "no_new_privs"} <= set(status["confined"])
    assert set(status["cpu_us"]) == set(status["rss_bytes"]) >= {"supervisor", "observer"}
    assert set(status["cpu_us"]) <= {"supervisor", "observer", "attacher"}  # the last where TLS is followed
    assert not any(count for told in seen["agent"] for count in told["loss"].values())
