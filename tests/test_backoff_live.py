"""An agent over its budget captures less, step by step, tells each step, and what it leaves out is counted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from collector.backoff import STEPS
from deploy.demo import observing_line
from tests.kernel import LIVE
from tests.mock_broker import mock_broker, published
from tests.test_agent_live import ROOT
from tests.traffic_maker.exchanges import Exchange
from tests.traffic_maker.maker import NoGo, program, serving

pytestmark = LIVE
RATE, SECONDS = 797, 23  # up to the second step, and told of; well beyond a hundredth of two processors
LARGE = Exchange("POST", "/npcf-smpolicycontrol/v1/sm-policies", 201, 12_007, 12_007)  # more than a step copies


def under_load(budget: dict[str, str]) -> list[dict[str, Any]]:
    """Return what an agent with this budget tells of itself under load."""
    try:
        program()
    except NoGo as missing:
        pytest.skip(str(missing))
    with mock_broker() as bootstrap, serving([LARGE]) as server:
        kept = {"SBISCOPE_KAFKA_BOOTSTRAP": bootstrap, "SBISCOPE_COLLECTOR_PORTS": str(server.port), **budget}
        command = [sys.executable, "-m", "deploy.cli", "collect"]
        agent = subprocess.Popen(command, cwd=ROOT, env=os.environ | kept, stderr=subprocess.PIPE, text=True)
        assert agent.stderr is not None
        assert "observing" in observing_line(agent.stderr)
        played = server.play(7, RATE * SECONDS, RATE)
        time.sleep(0.3)
        agent.send_signal(signal.SIGTERM)
        said = agent.communicate(timeout=60)[1]
        assert "backoff_steps" in said
        assert {one.status for one in played} == {LARGE.status}  # whatever the agent does
        return published(bootstrap, "sbi.agents", "agent")


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """Return what an agent with a hundredth of a core tells of itself under load."""
    return under_load({"SBISCOPE_COLLECTOR_CPU_PERCENT": "1"})


@contextmanager
def no_processor_idle() -> Iterator[None]:
    """Keep all of them busy as long as the block lasts."""
    with ExitStack() as ending:
        for _ in range(os.cpu_count() or 1):
            busy = ending.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            ending.callback(busy.kill)
        yield


def test_on_a_full_node_a_share_of_it_is_the_budget() -> None:
    with no_processor_idle():
        told = under_load({"SBISCOPE_COLLECTOR_FULL_NODE_PERCENT": "1"})
    assert told[-1]["loss"]["backoff_steps"] >= 1
    assert max(one["cpu_us"]["observer"] for one in told) < SECONDS * 1_000_000  # within the whole budget, a core


def test_each_step_is_told_with_what_it_leaves_out(told: list[dict[str, Any]]) -> None:
    steps = [one["backoff_step"] for one in told]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert steps[-1] >= 1
    assert [one["backoff"] for one in told] == [STEPS[step].text for step in steps]


def test_what_is_left_out_is_counted_as_loss(told: list[dict[str, Any]]) -> None:
    last = told[-1]
    assert last["loss"]["backoff_steps"] >= last["backoff_step"]
    assert last["loss"]["shortened_bytes"] > 0
    assert "shortened_bytes" not in told[0]["loss"]
