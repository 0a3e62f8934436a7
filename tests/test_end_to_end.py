"""From a capture and from the kernel, through the whole stack, into ClickHouse: each exchange once, whoever dies."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import live_hindrance
from deploy.demo_peers import talk
from schemas.config import load
from schemas.fields import fields_of
from tests import tshark
from tests.kpis import KEY, Row, check, counted
from tests.local_stack import LocalStack, local_stack, until
from tests.test_decode import lines, sbiscope

pytestmark = pytest.mark.stack
NAMES = [name for name, _ in fields_of("sbi_transaction_batch", "SbiTransaction")]
FULL = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"
LOAD = ("collect", "--source", str(FULL), "--node", "n1")
LIVE = 23


def paired(capture: Path) -> dict[str, Row]:
    """Return a capture's transactions without any stack, by id."""
    done = sbiscope("decode", "--transactions", "--node", "n1", capture)
    return {row["transaction_id"]: row for row in lines(done)}


def stored(stack: LocalStack, node: str = "n1") -> dict[str, Row]:
    names = ", ".join(NAMES)
    rows = stack.rows(f"SELECT {names} FROM transactions FINAL WHERE node = '{node}'")
    found = {row["transaction_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def kpis(stack: LocalStack) -> dict[tuple[Any, ...], Row]:
    rows = stack.rows("SELECT * FROM kpis FINAL WHERE node = 'n1'")
    return {(row["window_s"], row["window_start_us"], *(row[name] for name in KEY)): row for row in rows}


def check_rows(stack: LocalStack, wanted: dict[str, Row]) -> None:
    """Wait for the rows, and compare each with what the pure code says; the KPIs with a slow count of it."""
    until(lambda: stack.count("SELECT count() FROM transactions FINAL WHERE node = 'n1'") >= len(wanted))
    until(lambda: stored(stack) == wanted)
    cells = counted(wanted.values())
    requests = sum(row["request_event_id"] is not None for row in wanted.values())
    width = "SELECT sum(requests) FROM kpis FINAL WHERE node = 'n1' AND window_s = 3600 AND NOT to_proxy"
    proxied = sum(
        row["requests"] for place, row in cells.items() if place[0] == 3600 and place[2 + KEY.index("to_proxy")]
    )
    until(lambda: stack.count(width) == requests - proxied)
    until(lambda: len(kpis(stack)) >= len(cells))
    check(kpis(stack), cells)


def check_procedures(stack: LocalStack, capture: Path) -> None:
    """Wait for the procedures, and compare each with what the pure code says."""
    wanted = {one["procedure_id"]: one for one in lines(sbiscope("decode", "--procedures", "--node", "n1", capture))}
    until(lambda: stack.count("SELECT count() FROM procedures_once") >= len(wanted))
    rows = stack.rows("SELECT * FROM procedures_once")
    assert len(rows) == len(wanted)
    assert {one["procedure_id"]: one for one in rows} == wanted


def check_ladder(stack: LocalStack) -> None:
    """Compare the ladder drawn from ClickHouse with that drawn from the capture."""
    subscriber = stack.rows("SELECT supi FROM procedures_once WHERE kind = 'n2_handover' LIMIT 1")[0]["supi"]
    stored = stack.run("trace", subscriber, "--from", "2020-01-01", "--format", "json")
    captured = stack.run("trace", subscriber, "--capture", str(FULL), "--format", "json")
    assert stored[0] == captured[0] == 0, stored[2] + captured[2]
    assert stored[1] == captured[1]


def killed_in_the_middle(stack: LocalStack, victims: tuple[str, ...]) -> None:
    """Load slowly, kill parts while it loads, and the collector itself before it is through."""
    loading = stack.start(*LOAD, "--speed", "1")  # half a minute
    until(lambda: stack.count("SELECT count() FROM transactions") > 23, 20)
    for victim in victims:
        stack.kill(victim)
        time.sleep(1)
    assert loading.poll() is None, loading.communicate()
    loading.send_signal(signal.SIGKILL)
    loading.communicate()


def test_a_load_arrives_once_and_survives_every_death(tmp_path: Path) -> None:
    wanted = paired(FULL)
    assert len(wanted) == 1_372
    with local_stack(tmp_path) as stack:
        killed_in_the_middle(stack, ("pairing", "kafka", "kpis", "procedures", "sink"))
        until(lambda: stack.run("status")[0] == 0)
        assert 0 < len(stored(stack)) < len(wanted)
        code, _, said = stack.run(*LOAD)
        assert (code, "after the" in said) == (0, True), said
        check_rows(stack, wanted)
        check_procedures(stack, FULL)
        check_ladder(stack)
        code, _, said = stack.run(*LOAD)
        assert (code, "loaded already" in said, said.count("\n")) == (1, True, 1), said
        stack.down()
        stack.up()  # on the same data: nothing lost, nothing twice
        assert stored(stack) == wanted
        check(kpis(stack), counted(wanted.values()))


def test_live_exchanges_are_seen_from_each_end_once(tmp_path: Path) -> None:
    if why := live_hindrance(load(None)):
        pytest.skip(f"no live capture here: {why}")
    with local_stack(tmp_path) as stack:
        with stack.start("collect", "--node", "live") as agent:
            assert agent.stderr is not None
            assert "observing" in agent.stderr.readline()
            said = talk(LIVE)
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(30) == 0
        ports = ", ".join(sorted({str(one.client_port) for one in said}))
        sql = f"SELECT vantage, count() AS many FROM transactions FINAL WHERE client_port IN ({ports}) GROUP BY vantage"
        until(lambda: {row["vantage"]: row["many"] for row in stack.rows(sql)} == {"client": LIVE, "server": LIVE})
        statuses = stack.rows(f"SELECT status FROM transactions FINAL WHERE client_port IN ({ports})")
        assert sorted(row["status"] for row in statuses) == sorted(2 * [one.status for one in said])


@pytest.mark.skipif(not os.environ.get("SBISCOPE_LONG"), reason="SBISCOPE_LONG is not set: two minutes")
def test_the_suite_of_a_whole_core_arrives(tmp_path: Path) -> None:
    capture = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
    wanted = paired(capture)
    assert len(wanted) == 4_636
    with local_stack(tmp_path) as stack:
        code, _, said = stack.run("collect", "--source", str(capture), "--node", "n1")
        assert code == 0, said
        check_rows(stack, wanted)
        check_procedures(stack, capture)


def test_up_and_down_again_and_again_leave_nothing_behind(tmp_path: Path) -> None:
    """Ten rounds with SBISCOPE_LONG, else two; what was stored stays, and no process of it."""
    stack = LocalStack(tmp_path)
    for round_number in range(10 if os.environ.get("SBISCOPE_LONG") else 2):
        stack.up()
        assert stack.run("up")[0] == 0  # one that is up is left as it is
        if round_number == 0:
            assert stack.run(*LOAD)[0] == 0
        until(lambda: stack.count("SELECT count() FROM transactions FINAL") == 1_372)
        stack.down()
        assert not processes(tmp_path)
    assert stack.run("down")[1] == "no stack is up\n"


def processes(root: Path) -> list[str]:
    """Return the command lines of processes that belong to the stack of `root`."""
    mark = f"SBISCOPE_STACK_DIRECTORY={root}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_text())
        except OSError:
            pass  # it ended, or is another user's
    return found
