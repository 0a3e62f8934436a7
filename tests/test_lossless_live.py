"""A thousand requests a second, h2c and as many by TLS, under every hook at once: nothing is lost.

Each exchange is told once by either end, as Go's client wrote it down, and no agent counts any loss. Five seconds; with
SBISCOPE_LONG half a minute, on a machine that does nothing else. Beside other tests an agent may get too little CPU:
the ring runs full, which it counts (tests/test_loss_live.py holds that it counts right), and nothing is proved.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector.loading import Loading
from collector.probes import Probes
from schemas.refusal import Refusal
from tests.kernel import LIVE, must_load
from tests.test_agent_live import HOOKS, agent
from tests.test_tls_live import followed, identity
from tests.test_traffic_live import as_played
from tests.traffic_maker.exchanges import mixed
from tests.traffic_maker.maker import NoGo, program, serving

__all__ = ["followed", "identity"]  # fixtures
pytestmark = LIVE
LONG = bool(os.environ.get("SBISCOPE_LONG"))
RATE, SECONDS = 1_000, 30 if LONG else 5
TRIES = 3
COUNT, CONNECTIONS, DIFFERENT = RATE * SECONDS + 11, 11, 1_009  # 5,011 and 30,011 are primes

Row = tuple[Any, ...]


def hooks() -> list[str]:
    """Return those that this kernel takes."""
    found = []
    for name in HOOKS:
        try:
            Probes(Loading([name], 1 << 20)).close()
        except Refusal:
            if must_load(name):
                raise
            continue
        found.append(name)
    return found


def rows(lines: Path) -> Iterator[tuple[tuple[int, str], Row]]:
    """Give the server's port, the end that saw it, and what was said, of each exchange told by an agent.

    Go's answer may be read by one goroutine before the writing of its request has returned in another.
    """
    halves: dict[tuple[str, int], dict[str, Any]] = {}
    with lines.open() as file:
        for one in map(json.loads, file):
            assert (one["ended"], one["header_state"]) == ("complete", "exact")
            place = one["connection_id"], one["stream_id"]
            both = halves.setdefault(place, {})
            assert one["half"] not in both
            both[one["half"]] = one
            if len(both) == 2:
                del halves[place]
                yield (one["server_port"], one["vantage"]), row(both["request"], both["response"])
    assert not halves


def row(asked: dict[str, Any], answered: dict[str, Any]) -> Row:
    question = asked["client_port"], asked["method"], asked["path"]
    return *question, answered["status"], asked["body_bytes"], answered["body_bytes"]


@dataclass
class Heard:
    """What agents told of one run: their last words and their files, by hook; and what was played, by port."""

    said: dict[str, str]
    lines: dict[str, Path]
    truths: dict[int, list[Row]]

    def was_starved(self) -> bool:
        """Whether an agent got so little CPU that the ring ran full, which it counts."""
        return any("ring_full" in one for one in self.said.values())


def heard_of(identity: tuple[str, str], place: Path) -> Heard:
    """Play both loads under an agent of each hook."""
    exchanges = mixed(DIFFERENT)
    with ExitStack() as ending, ThreadPoolExecutor() as pool:
        servers = {shown: ending.enter_context(serving(exchanges, shown)) for shown in ((), identity)}
        own = ",".join(str(server.port) for server in servers.values())
        ending.enter_context(pytest.MonkeyPatch.context()).setitem(os.environ, "SBISCOPE_COLLECTOR_PORTS", own)
        running = {}
        for name in hooks():
            (place / name).mkdir(parents=True)
            running[name] = ending.enter_context(agent(place / name, "--hook", name, "--plain-identifiers"))
        played = list(pool.map(lambda server: server.play(CONNECTIONS, COUNT, RATE), servers.values()))
        said = {name: one.end() for name, one in running.items()}
    truths = {
        server.port: sorted(as_played(one, exchanges[one.number % DIFFERENT]) for one in theirs)
        for server, theirs in zip(servers.values(), played, strict=True)
    }
    return Heard(said, {name: one.lines for name, one in running.items()}, truths)


def test_nothing_is_lost_at_a_thousand_requests_a_second(identity: tuple[str, str], tmp_path: Path) -> None:
    """A machine whose other work starves an agent is asked again."""
    try:
        program()
    except NoGo as missing:
        pytest.skip(str(missing))
    for number in range(TRIES):
        heard = heard_of(identity, tmp_path / str(number))
        if not heard.was_starved():
            break
    else:
        if not LONG:
            pytest.skip(f"other work of this machine starved an agent {TRIES} times: {heard.said}")
    for name, lines in heard.lines.items():
        assert "nothing lost" in heard.said[name]
        told: dict[tuple[int, str], list[Row]] = {}
        for end, exchange in rows(lines):
            told.setdefault(end, []).append(exchange)
        lines.unlink()  # 400 MB
        assert set(told) == {(port, vantage) for port in heard.truths for vantage in ("client", "server")}
        for (port, vantage), found in told.items():
            assert len(found) == len(heard.truths[port]) == COUNT, (name, port, vantage)
            assert sorted(found) == heard.truths[port], (name, port, vantage)
