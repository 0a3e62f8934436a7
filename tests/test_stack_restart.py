"""deploy/stack/process.py: a part that dies is started again, and its log says so in a line of ours."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.stack import parts
from deploy.stack.layout import Layout
from deploy.stack.process import Part, Watched, ended
from deploy.stack.state import PartState
from schemas.config import Config, Kafka, Stack
from tests.broker import free_ports


def watched(part: Part, place: Layout) -> Watched:
    place.logs.mkdir(parents=True, exist_ok=True)
    state = PartState(part.name, "starting", part.port)
    return Watched(part, place.logs / f"{part.name}.log", parts.environment(place), state)


def look_until(one: Watched, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, one.state
        one.look()
        time.sleep(0.05)


@pytest.mark.stack
def test_a_front_that_the_kernel_ends_at_its_start_is_started_again(tmp_path: Path) -> None:
    place = Layout(tmp_path)
    place.clickhouse.mkdir()
    config = Config(kafka=Kafka(bootstrap="elsewhere:9092"), stack=Stack(clickhouse_port=free_ports(1)[0]))
    (part,) = parts.servers(config, place)
    one = watched(part, place)
    one.start()
    try:
        os.kill(one.state.pid, signal.SIGSEGV)
        look_until(one, lambda: one.state.state == "restarting")
        look_until(one, lambda: one.is_up)
        lines = [line for line in one.log.read_text().splitlines() if line.startswith("sbiscope: ")]
        assert lines == ["sbiscope: clickhouse was ended by SIGSEGV; it is started again in 0.5 s"]
        assert one.state.restarts == 1
    finally:
        one.stop()


@pytest.mark.parametrize(
    ("status", "words"), [(0, "ended with 0"), (3, "ended with 3"), (-9, "was ended by SIGKILL"), (-200, "signal 200")]
)
def test_how_a_process_ended_is_said_in_words(status: int, words: str) -> None:
    assert words in ended(status)
