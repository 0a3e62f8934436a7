"""The agent starts while a server is busy: connections that are made meanwhile are not lost but joined."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from deploy.demo_peers import Consumer, producers
from tests.kernel import LIVE
from tests.test_agent_live import Event, agent, hook
from tests.test_tls_live import identity, python, serving
from tests.tls_peers import BlockingClient

__all__ = ["hook", "identity"]  # fixtures
pytestmark = LIVE
PAUSE_S = 0.011
AFTER = 3  # exchanges of each connection once the agent observes: by the first one it may find where frames begin
SAME_PRODUCER = 10  # of deploy.demo_peers: each so-manieth exchange has it


class Talker(Protocol):
    """One connection of a client."""

    port: int

    def exchange(self) -> None:
        """Ask once and be answered."""

    def close(self) -> None:
        """End it."""


class Plain:
    """A connection in cleartext."""

    def __init__(self, server: int) -> None:
        self._consumer, self._asked, self.port = Consumer(server), 0, 0

    def exchange(self) -> None:
        self.port = self._consumer.exchange(SAME_PRODUCER * self._asked).client_port
        self._asked += 1

    def close(self) -> None:
        self._consumer.close()


class Meanwhile:
    """Opens a connection after another, each with one exchange, until it is stopped; they stay open."""

    def __init__(self, opened: Callable[[], Talker]) -> None:
        self.talkers: list[Talker] = []
        self._opened = opened
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_over.wait(PAUSE_S):
            one = self._opened()
            one.exchange()
            self.talkers.append(one)

    def wait_for_more(self, many: int) -> None:
        """Return when so many further connections are open."""
        wanted = len(self.talkers) + many
        while len(self.talkers) < wanted and self._thread.is_alive():
            self._is_over.wait(PAUSE_S)

    def stop(self) -> None:
        """Open no more."""
        self._is_over.set()
        self._thread.join()


@contextmanager
def server(transport: str, identity: tuple[str, str]) -> Iterator[tuple[int, Callable[[], Talker]]]:
    """Run a server; give its port and what opens a connection to it."""
    if transport == "h2c":
        with producers() as port:
            yield port, lambda: Plain(port)
    else:
        with serving(python("blocking", *identity)) as (_, port):
            yield port, lambda: BlockingClient(port)


def complete(events: list[Event], port: int) -> dict[tuple[str, str], int]:
    """Count the whole messages of a client's port by end and half."""
    found = {(vantage, half): 0 for vantage in ("client", "server") for half in ("request", "response")}
    for one in events:
        if one["client_port"] == port and one["ended"] == "complete":
            found[one["vantage"], one["half"]] += 1
    return found


@pytest.mark.parametrize("transport", ["h2c", "tls"])
def test_connections_made_while_the_agent_starts_are_joined(
    hook: str, transport: str, identity: tuple[str, str], tmp_path: Path
) -> None:
    with server(transport, identity) as (port, opened):
        meanwhile = Meanwhile(opened)
        meanwhile.wait_for_more(7)
        with agent(tmp_path, "--hook", hook) as running:
            begun = len(meanwhile.talkers)
            meanwhile.wait_for_more(7)
            meanwhile.stop()
            for talker in meanwhile.talkers:
                for _ in range(AFTER):
                    talker.exchange()
                talker.close()
            running.end()
    events = [one for one in running.events() if one["server_port"] == port]
    assert begun > 7
    for number, talker in enumerate(meanwhile.talkers):
        counts = complete(events, talker.port)
        if number > begun:
            assert set(counts.values()) == {1 + AFTER}, (number, counts)
        else:
            assert set(counts.values()) <= {AFTER - 1, AFTER, AFTER + 1}, (number, counts)
