"""The agent beside Go's HTTP/2 client and server: every exchange played is told as it was played, by both ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import observing_line
from tests.kernel import LIVE
from tests.traffic_maker.exchanges import Exchange, mixed, of_capture
from tests.traffic_maker.maker import NoGo, Played, program, serving

pytestmark = LIVE
ROOT = Path(__file__).parent.parent
CAPTURE = ROOT / "tests/captures/open5gs-registration-full.pcapng"
COUNT, RATE, CONNECTIONS = 1_009, 400, 7

Event = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def go() -> None:
    try:
        program()
    except NoGo as missing:
        pytest.skip(str(missing))


def watched(exchanges: list[Exchange], lines: Path) -> tuple[int, list[Played], list[Event], str]:
    """Play under an agent; return the port, what was played, what was told, what the agent said at its end."""
    command = [sys.executable, "-m", "deploy.cli", "collect", "--to", str(lines), "--plain-identifiers"]
    with serving(exchanges) as server:
        own = os.environ | {"SBISCOPE_COLLECTOR_PORTS": str(server.port)}  # what others play here is joined late
        agent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=own)
        assert agent.stderr is not None
        assert "observing" in observing_line(agent.stderr)
        played = server.play(CONNECTIONS, COUNT, RATE)
        time.sleep(0.3)
        agent.send_signal(signal.SIGTERM)
        said = agent.communicate(timeout=30)[1]
        events = [json.loads(line) for line in lines.read_text().splitlines()]
        return server.port, played, [one for one in events if one["server_port"] == server.port], said


def as_played(one: Played, exchange: Exchange) -> tuple[Any, ...]:
    return one.client_port, one.method, one.path, one.status, exchange.request_bytes, one.response_bytes


def as_told(events: list[Event], vantage: str) -> list[tuple[Any, ...]]:
    """Join the halves of each exchange as one end saw them."""
    halves: dict[tuple[str, int], dict[str, Event]] = {}
    for one in events:
        if one["vantage"] == vantage:
            assert (one["ended"], one["header_state"]) == ("complete", "exact")
            halves.setdefault((one["connection_id"], one["stream_id"]), {})[one["half"]] = one
    assert all(set(both) == {"request", "response"} for both in halves.values())
    return [
        (
            both["request"]["client_port"],
            both["request"]["method"],
            both["request"]["path"],
            both["response"]["status"],
            both["request"]["body_bytes"],
            both["response"]["body_bytes"],
        )
        for both in halves.values()
    ]


def test_a_mix_is_told_as_it_was_played(tmp_path: Path) -> None:
    exchanges = mixed(COUNT)
    _, played, events, said = watched(exchanges, tmp_path / "events.jsonl")
    truth = sorted(as_played(one, exchanges[one.number]) for one in played)
    assert len(truth) == COUNT
    assert sorted(as_told(events, "client")) == truth
    assert sorted(as_told(events, "server")) == truth
    assert "nothing lost" in said
    assert all(one["operation"] for one in events)


def test_a_captures_exchanges_are_told_as_they_were_played(tmp_path: Path) -> None:
    exchanges = of_capture(CAPTURE)
    assert len(exchanges) > 300
    _, played, events, _ = watched(exchanges, tmp_path / "events.jsonl")
    truth = sorted(as_played(one, exchanges[one.number % len(exchanges)]) for one in played)
    assert sorted(as_told(events, "server")) == truth
