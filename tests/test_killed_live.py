"""kill -9 of each of the agent's processes under load: network functions unharmed, and what stays sees on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel import LIVE
from tests.test_agent_live import ROOT, Agent, Event, agent, another, gone, observer_of, program_ids, wait_for
from tests.test_lossless_live import Row, rows
from tests.test_tls_live import children, command_line, ended, followed, identity, next_one, waits
from tests.test_traffic_live import as_played
from tests.traffic_maker.exchanges import Exchange, mixed
from tests.traffic_maker.maker import NoGo, Played, Server, program, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
RATE, CONNECTIONS, COUNT, COUNT_AFTER = 400, 7, 2_003, 211
UNDER_WAY_S = 1.0


@dataclass
class Load:
    """Two servers, h2c and TLS, asked steadily in the background."""

    exchanges: list[Exchange]
    servers: tuple[Server, Server]
    pool: ThreadPoolExecutor
    running: Agent

    def begin(self) -> list[Future[list[Played]]]:
        return [self.pool.submit(server.play, CONNECTIONS, COUNT, RATE) for server in self.servers]

    def ends_well(self, playing: Sequence[Future[list[Played]]]) -> list[list[Row]]:
        """Wait for the load; every exchange was answered as it should be. Raises CalledProcessError else."""
        found = []
        for one in playing:
            played = one.result()
            assert [each.status for each in played] == [self.exchanges[each.number].status for each in played]
            assert len(played) == COUNT
            found.append(self.truth(played))
        return found

    def truth(self, played: list[Played]) -> list[Row]:
        return sorted(as_played(one, self.exchanges[one.number]) for one in played)

    def told(self) -> dict[tuple[int, str], list[Row]]:
        found: dict[tuple[int, str], list[Row]] = {}
        for end, exchange in rows(self.running.lines):
            found.setdefault(end, []).append(exchange)
        return {end: sorted(some) for end, some in found.items()}


@pytest.fixture(scope="module")
def start() -> list[str]:
    """Return how a Python is started that nobody may run too: a later observer begins with no more rights than that."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        found = ["env", f"PYTHONPATH={ROOT}:{packages}", python]
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *found]
        if not subprocess.run(
            [*nobody, "-c", "import collector.observer"], capture_output=True, check=False
        ).returncode:
            return found
    pytest.skip("no Python that nobody may run can read the program here")


@pytest.fixture
def load(
    start: list[str], identity: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Load]:
    """Have an agent that watches both servers only."""
    try:
        program()
    except NoGo as missing:
        pytest.skip(str(missing))
    exchanges = mixed(COUNT)
    with serving(exchanges) as plain, serving(exchanges, identity) as secure, ThreadPoolExecutor() as pool:
        monkeypatch.setitem(os.environ, "SBISCOPE_COLLECTOR_PORTS", f"{plain.port},{secure.port}")
        with agent(tmp_path, "--plain-identifiers", start=start) as running:
            yield Load(exchanges, (plain, secure), pool, running)


def under_way(load: Load) -> None:
    """Wait until both servers' exchanges are told, and some more."""
    ports = {server.port for server in load.servers}
    until = time.monotonic() + 60
    while not ports <= {one["server_port"] for one in load.running.whole_lines()}:
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(UNDER_WAY_S)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def keeper_of(load: Load) -> int:
    (found,) = (one for one in children(load.running.process.pid) if b"tls_keeper" in command_line(one))
    return found


def test_a_killed_observer_costs_what_it_held_and_its_successor_reads_on(load: Load) -> None:
    """New connections are told whole. Of old ones nothing is told twice, and nothing that was not said."""
    playing = load.begin()
    under_way(load)
    killed = observer_of(load.running.process.pid)
    kill(killed)
    wait_for(lambda: another(load.running.process.pid, killed))
    after = [load.truth(server.play(CONNECTIONS, COUNT_AFTER)) for server in load.servers]
    before = load.ends_well(playing)
    load.running.end()
    events = load.running.events_around_a_kill()
    halves = [(one["connection_id"], one["stream_id"], one["half"]) for one in events if one["ended"] == "complete"]
    assert len(set(halves)) == len(halves)
    for server, said, new in zip(load.servers, before, after, strict=True):
        check_nothing_is_wrong(events, server, said + new)
        for vantage in ("client", "server"):
            own = [one for one in events if (one["server_port"], one["vantage"]) == (server.port, vantage)]
            ports = {row[0] for row in new}
            whole = [one for one in own if one["client_port"] in ports]
            assert {(one["ended"], one["header_state"]) for one in whole} == {("complete", "exact")}
            assert len(whole) == 2 * COUNT_AFTER


def test_a_killed_attacher_costs_tls_a_pause_and_cleartext_nothing(load: Load) -> None:
    playing = load.begin()
    under_way(load)
    keeper = keeper_of(load)
    (attacher,) = children(keeper)
    kill(attacher)
    assert ended(attacher)
    next_one(keeper, attacher)
    waits(children(keeper)[-1])
    after = [load.truth(server.play(CONNECTIONS, COUNT_AFTER)) for server in load.servers]
    before = load.ends_well(playing)
    assert "1 tls_attacher_deaths" in load.running.end()
    ports = {row[0] for row in after[1]}
    events = load.running.events()
    secure = [one for one in events if one["client_port"] in ports]
    assert {(one["tls"], one["ended"], one["header_state"]) for one in secure} == {(True, "complete", "exact")}
    assert len(secure) == 4 * COUNT_AFTER
    check_nothing_is_wrong(events, load.servers[1], before[1] + after[1])
    check_cleartext(load, before[0] + after[0])


def check_nothing_is_wrong(events: list[Event], server: Server, truth: list[Row]) -> None:
    """Of connections with a pause much is not known: what is told as exact is what was said, once by each end."""
    asked = [one for one in events if one["server_port"] == server.port and one["half"] == "request"]
    exact = [one for one in asked if (one["ended"], one["header_state"]) == ("complete", "exact")]
    told = Counter((one["vantage"], one["client_port"], one["method"], one["path"], one["body_bytes"]) for one in exact)
    said = Counter((vantage, *row[:3], row[4]) for row in truth for vantage in ("client", "server"))
    assert told <= said, told - said


def test_a_killed_keeper_takes_tls_with_it_and_that_is_said(load: Load) -> None:
    playing = load.begin()
    under_way(load)
    keeper = keeper_of(load)
    (attacher,) = children(keeper)
    kill(keeper)
    assert ended(attacher)
    before = load.ends_well(playing)
    said = load.running.end()
    assert "TLS is followed no more" in said
    assert "1 tls_keeper_deaths" in said
    check_cleartext(load, before[0])


def check_cleartext(load: Load, truth: list[Row]) -> None:
    plain = load.servers[0].port
    events = [one for one in load.running.events() if one["server_port"] == plain]
    load.running.lines.write_text("".join(json.dumps(one) + "\n" for one in events))
    told = load.told()
    assert told == {(plain, "client"): sorted(truth), (plain, "server"): sorted(truth)}


def test_a_killed_supervisor_takes_the_probes_and_every_process_with_it(load: Load) -> None:
    playing = load.begin()
    under_way(load)
    supervisor = load.running.process.pid
    keeper = keeper_of(load)
    others = [observer_of(supervisor), keeper, *children(keeper)]
    programs = set().union(*(program_ids(one) for one in (supervisor, *others)))
    assert len(programs) >= 7  # three of the hook, four of TLS
    kill(supervisor)
    load.running.process.wait()
    assert all(map(ended, others))
    assert gone(programs)
    load.ends_well(playing)


def test_a_killed_loader_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "collect", "--to", str(tmp_path / "none.jsonl"), "--hook", "sock"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as starting:
        kill(loader_of(starting.pid))
        said = starting.communicate(timeout=60)[1]
    assert starting.returncode == 1
    assert "the loader of the kernel probes failed" in said
    assert said.count("\n") == 1


def loader_of(process: int) -> int:
    """Wait for a loader; it lives a tenth of a second where there is nothing to compile."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for one in children(process):
            if b"collector.loader" in command_line(one):
                return one
    raise TimeoutError("no loader")
