"""The agent beside programs of others: what they wrote down is what it tells, at both ends, each hook, h2c and TLS."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from collector.loading import Loading
from collector.probes import Probes
from schemas.refusal import Refusal
from tests.kernel import LIVE, without
from tests.live_programs import CLEARTEXT, TLS, Said, all_running, missing
from tests.test_agent_live import HOOKS, Event, agent
from tests.test_tls_live import identity

__all__ = ["identity"]  # a fixture
pytestmark = LIVE


@dataclass
class Told:
    """What the agent told under a hook, and what each pair of programs said, by its name; TLS's end with /tls."""

    events: list[Event]
    follows_tls: bool
    said: dict[str, list[Said]]
    ports: dict[str, int]


@pytest.fixture(params=HOOKS, scope="module")
def told(
    request: pytest.FixtureRequest, identity: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """Let every pair of programs speak under one agent."""
    try:
        probes = Probes(Loading([request.param], 1 << 20))
    except Refusal as refusal:
        without(request.param, refusal)
    follows = probes.follows_tls
    probes.close()
    place: Path = tmp_path_factory.mktemp("agent")
    with all_running(identity, tmp_path_factory.mktemp("programs")) as running:
        own = ",".join(str(peers.port) for peers in running.values())
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(os.environ, "SBISCOPE_COLLECTOR_PORTS", own)
            with agent(place, "--hook", request.param, "--plain-identifiers") as observing:
                said = {name: peers.ask(peers.port) for name, peers in running.items()}
                observing.end()
                events = observing.events()
        yield Told(events, follows, said, {name: peers.port for name, peers in running.items()})


def as_told(events: list[Event], port: int, vantage: str, is_tls: bool) -> list[Said]:
    """Join the halves of each exchange with a server as one end saw them: whole, and every header exact."""
    halves: dict[tuple[str, int], dict[str, Event]] = {}
    for one in events:
        if (one["server_port"], one["vantage"]) == (port, vantage):
            assert (one["ended"], one["header_state"], one["tls"]) == ("complete", "exact", is_tls)
            halves.setdefault((one["connection_id"], one["stream_id"]), {})[one["half"]] = one
    assert all(set(both) == {"request", "response"} for both in halves.values())
    return [
        Said(
            asked["client_port"],
            asked["method"],
            asked["path"],
            answered["status"],
            asked["body_bytes"],
            answered["body_bytes"],
        )
        for asked, answered in ((both["request"], both["response"]) for both in halves.values())
    ]


@pytest.mark.parametrize("name", [*CLEARTEXT, *(f"{name}/tls" for name in TLS)])
def test_what_programs_wrote_down_is_what_is_told_at_both_ends(told: Told, name: str) -> None:
    kind, _, tls = name.partition("/")
    if why := missing(kind):
        pytest.skip(why)
    if tls and not told.follows_tls:
        pytest.skip("this kernel has no uprobe_multi links: TLS is not followed")
    said = told.said[name]
    tells_port = all(one.client_port for one in said)
    for vantage in ("client", "server"):
        found = as_told(told.events, told.ports[name], vantage, bool(tls))
        assert sorted(one if tells_port else replace(one, client_port=0) for one in found) == sorted(said) != []
