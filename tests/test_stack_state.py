"""deploy/stack/state.py, endpoints.py: whether a stack is up is asked of the kernel; addresses follow from it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.endpoints import endpoints
from deploy.stack.layout import Layout, layout
from deploy.stack.state import PartState, StackState, held, holder, running, write
from schemas.config import ClickHouse, Config, Kafka, Stack
from schemas.refusal import Refusal

HOLD = """
import sys, time
from pathlib import Path
from deploy.stack.layout import Layout
from deploy.stack.state import StackState, held, write
place = Layout(Path(sys.argv[1]))
with held(place):
    write(place, StackState("127.0.0.1:19092", "http://127.0.0.1:18123"))
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(root: Path) -> subprocess.Popen[str]:
    """Start a process that holds the stack of `root`."""
    words = [sys.executable, "-c", HOLD, str(root)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    process.send_signal(number)
    process.communicate()


def configured(root: Path) -> Config:
    return Config(stack=Stack(directory=str(root)))


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert holder(Layout(tmp_path / "nothing")) is None
    assert running(Layout(tmp_path / "nothing")) is None


def test_the_kernel_knows_the_holder_and_forgets_it_when_killed(tmp_path: Path) -> None:
    place = Layout(tmp_path)
    process = hold(tmp_path)
    assert holder(place) == process.pid
    with pytest.raises(Refusal, match="a stack is up already"), held(place):
        pass
    end(process)
    assert holder(place) is None
    with held(place):
        pass


def test_a_state_left_behind_is_believed_by_nobody(tmp_path: Path) -> None:
    write(Layout(tmp_path), StackState("127.0.0.1:1", "http://127.0.0.1:2", parts=[PartState("kafka", "up")]))
    assert running(Layout(tmp_path)) is None
    with pytest.raises(Refusal, match=r"no Kafka is configured and no stack is up.*sbiscope up"):
        endpoints(configured(tmp_path)).bootstrap  # noqa: B018
    with pytest.raises(Refusal, match=r"no ClickHouse is configured and no stack is up.*sbiscope up"):
        endpoints(configured(tmp_path)).clickhouse  # noqa: B018


def test_what_is_configured_needs_no_stack(tmp_path: Path) -> None:
    server = ClickHouse(url="http://ch:8123", user="me")
    config = Config(kafka=Kafka(bootstrap="k:9092"), clickhouse=server, stack=Stack(directory=str(tmp_path)))
    assert endpoints(config).bootstrap == "k:9092"
    assert endpoints(config).clickhouse == server


def test_a_running_stack_gives_addresses_and_both_accounts(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        config = configured(tmp_path)
        assert endpoints(config).bootstrap == "127.0.0.1:19092"
        with pytest.raises(Refusal, match="cannot read the stack's passwords"):
            endpoints(config).clickhouse  # noqa: B018
        layout(config.stack).passwords.write_text(json.dumps({"sbiscope": "w", "reader": "r"}))
        server = endpoints(config).clickhouse
        assert (server.url, server.user, server.reader_user) == ("http://127.0.0.1:18123", "sbiscope", "reader")
        assert (server.password, server.reader_password, server.database) == ("w", "r", "sbiscope")
        assert "password='w'" not in repr(server)
    finally:
        end(process)


def test_a_state_that_is_no_state_is_none(tmp_path: Path) -> None:
    place = Layout(tmp_path)
    process = hold(tmp_path)
    try:
        for text in ("", "[]", '{"parts": 1}', '{"parts": [], "odd": 1}'):
            place.state.write_text(text)
            assert running(place) is None
        place.state.unlink()
        assert running(place) is None
    finally:
        end(process)
