"""From a capture and from the kernel, through the whole stack, into ClickHouse: each exchange once, whoever dies."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.demo import live_hindrance, observing_line
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
SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
LIVE = 23
LONG = bool(os.environ.get("SBISCOPE_LONG"))


def paired(capture: Path, node: str = "n1") -> dict[str, Row]:
    """Return a capture's transactions without any stack, by id."""
    done = sbiscope("decode", "--transactions", "--node", node, capture)
    return {row["transaction_id"]: row for row in lines(done)}


def stored(stack: LocalStack, node: str = "n1") -> dict[str, Row]:
    names = ", ".join(NAMES)
    rows = stack.rows(f"SELECT {names} FROM transactions FINAL WHERE node = '{node}'")
    found = {row["transaction_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def kpis(stack: LocalStack, node: str = "n1") -> dict[tuple[Any, ...], Row]:
    rows = stack.rows(f"SELECT * FROM kpis FINAL WHERE node = '{node}'")
    return {(row["window_s"], row["window_start_us"], *(row[name] for name in KEY)): row for row in rows}


def check_rows(stack: LocalStack, wanted: dict[str, Row], node: str = "n1") -> None:
    """Wait for the rows, and compare each with what the pure code says; the KPIs with a slow count of it."""
    until(lambda: stack.count(f"SELECT count() FROM transactions FINAL WHERE node = '{node}'") >= len(wanted))
    until(lambda: stored(stack, node) == wanted)
    cells = counted(wanted.values())
    requests = sum(row["request_event_id"] is not None for row in wanted.values())
    width = f"SELECT sum(requests) FROM kpis FINAL WHERE node = '{node}' AND window_s = 3600 AND NOT to_proxy"
    proxied = sum(
        row["requests"] for place, row in cells.items() if place[0] == 3600 and place[2 + KEY.index("to_proxy")]
    )
    until(lambda: stack.count(width) == requests - proxied)
    until(lambda: len(kpis(stack, node)) >= len(cells))
    check(kpis(stack, node), cells)


def check_procedures(stack: LocalStack, capture: Path, node: str = "n1") -> None:
    """Wait for the procedures, and compare each with what the pure code says."""
    wanted = {one["procedure_id"]: one for one in lines(sbiscope("decode", "--procedures", "--node", node, capture))}
    own = f"FROM procedures_once WHERE node = '{node}'"
    until(lambda: stack.count(f"SELECT count() {own}") >= len(wanted))
    rows = stack.rows(f"SELECT * {own}")
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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Return a stack that is up, for all tests here; nothing of it is left afterwards."""
    with local_stack(tmp_path_factory.mktemp("stack")) as one:
        yield one


def test_a_load_arrives_once_and_survives_every_death(stack: LocalStack) -> None:
    wanted = paired(FULL)
    assert len(wanted) == 1_372
    killed_in_the_middle(stack, ("pairing", "kafka", "kpis", "procedures", "sink"))
    assert 0 < len(stored(stack)) < len(wanted)
    until(lambda: stack.is_up("kafka"))  # a load waits ten seconds for it, and a killed one may take longer
    code, _, said = stack.run(*LOAD)
    assert (code, "after the" in said) == (0, True), said
    check_rows(stack, wanted)
    check_procedures(stack, FULL)
    check_ladder(stack)
    code, _, said = stack.run(*LOAD)
    assert (code, "loaded already" in said, said.count("\n")) == (1, True, 1), said


def test_status_shows_each_part_its_port_what_is_behind_and_the_rows(stack: LocalStack) -> None:
    def told() -> dict[str, Any]:
        code, out, said = stack.run("status", "--json")
        assert code == 0, said
        found: dict[str, Any] = json.loads(out)
        return found

    ticks = 4 * 7  # a tick a second and partition, and what the stages say of themselves
    until(lambda: all(one["messages"] <= ticks for one in told()["lags"]))
    found, ports = told(), stack.config.stack
    parts = {part["name"]: part for part in found["parts"]}
    assert found["is_up"] and {part["state"] for part in parts.values()} == {"up"}
    assert (parts["kafka"]["port"], parts["clickhouse"]["port"]) == (ports.kafka_port, ports.clickhouse_port)
    assert parts.keys() >= {"pairing", "kpis", "procedures", "alerts", "sink"}
    assert {one["stage"] for one in found["lags"]} >= {"pairing", "kpis", "procedures", "alerts", "sink-transactions"}
    for table in ("transactions", "kpis", "procedures"):
        assert found["rows"][table] == stack.count(f"SELECT count() FROM {table} FINAL") > 0
    code, shown, _ = stack.run("status")
    assert code == 0
    for word in (*parts, str(ports.kafka_port), "messages behind", f"{found['rows']['transactions']:,}"):
        assert word in shown


def test_live_exchanges_are_seen_from_each_end_once(stack: LocalStack) -> None:
    if why := live_hindrance(load(None)):
        pytest.skip(f"no live capture here: {why}")
    with stack.running("collect", "--node", "live") as agent:
        assert agent.stderr is not None
        assert "observing" in observing_line(agent.stderr)
        said = talk(LIVE)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(30) == 0
    ports = ", ".join(sorted({str(one.client_port) for one in said}))
    seen = f"FROM transactions FINAL WHERE node = 'live' AND client_port IN ({ports})"
    sql = f"SELECT vantage, count() AS many {seen} GROUP BY vantage"
    until(lambda: {row["vantage"]: row["many"] for row in stack.rows(sql)} == {"client": LIVE, "server": LIVE})
    for vantage in ("client", "server"):
        found = stack.rows(f"SELECT client_port, stream_id, method, authority, status {seen} AND vantage = '{vantage}'")
        assert sorted(tuple(row.values()) for row in found) == sorted(
            (one.client_port, one.stream_id, one.method, one.authority, one.status) for one in said
        )


@pytest.mark.skipif(not LONG, reason="SBISCOPE_LONG is not set: half a minute, and eight rounds more of up and down")
def test_the_suite_of_a_whole_core_arrives(stack: LocalStack) -> None:
    wanted = paired(SUITE, "suite")
    requests = [row["request_event_id"] is not None for row in wanted.values()]
    answers = [row["status"] is not None for row in wanted.values()]  # two more were begun and reset
    assert (sum(requests), sum(answers)) == (4_636, 4_633)
    code, _, said = stack.run("collect", "--source", str(SUITE), "--node", "suite")
    assert code == 0, said
    check_rows(stack, wanted, "suite")
    check_procedures(stack, SUITE, "suite")


def test_a_load_that_nothing_disturbed_gives_the_same_kpis_and_lasts_through_up_and_down(
    stack: LocalStack, tmp_path: Path
) -> None:
    """Up and down ten times with SBISCOPE_LONG, else twice: what was stored stays, and no process of it."""
    assert stack.run(*LOAD)[0] in {0, 1}  # disturbed above, where that test ran
    calm = LocalStack(tmp_path)
    try:
        calm.up()
        assert calm.run(*LOAD)[0] == 0
        until(lambda: stored(calm) == stored(stack))
        until(lambda: alike(kpis(calm)) == alike(kpis(stack)))
        before = stored(calm), kpis(calm)
        for _ in range(9 if LONG else 1):
            calm.down()
            assert not processes(tmp_path)
            calm.up()  # on the same data
            assert (stored(calm), kpis(calm)) == before
        assert calm.run("up")[0] == 0  # one that is up is left as it is
    finally:
        calm.down()
    assert calm.run("down")[1] == "no stack is up\n"
    assert not processes(tmp_path)


def alike(rows: dict[tuple[Any, ...], Row]) -> dict[tuple[Any, ...], Row]:
    """Return KPIs without when and how often they were written."""
    return {
        place: {name: value for name, value in row.items() if name not in {"version", "stored_at"}}
        for place, row in rows.items()
    }


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
