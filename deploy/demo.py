"""The demo: all the way from packets to a report, on a recorded core and, where the kernel lets us, live traffic."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from schemas.config import Config, load
from schemas.refusal import Refusal

CAPTURE = Path(__file__).parent / "captures" / "open5gs-registration-full.pcapng"
RECORDED, LIVE = "demo-capture", "demo-live"  # the nodes that the records name
EXCHANGES, RATE = 230, 50.0  # had live; each is seen from both of its ends
LONGEST_S = 90.0


class Steps:
    """What the user sees: each step with the time it came at."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Show one step."""
        print(f"[{time.monotonic() - self._began:5.1f} s] {text}", flush=True)


def main() -> int:
    """Run the demo; 0 when all of it worked, 1 with one line when something stood in its way."""
    steps = Steps()
    try:
        config = load(None)
        _up(config, steps)
        _recorded(config, steps)
        _live(config, steps)
        _report(config, steps)
    except Refusal as refusal:
        print(f"sbiscope demo: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(config: Config, steps: Steps) -> None:
    from deploy.commands import up

    steps.say("starting the stack: Kafka, ClickHouse's engine, stream workers")
    for line in up.bring(config, None, steps.say):
        steps.say(line)


def _recorded(config: Config, steps: Steps) -> None:
    """Load the bundled capture, and wait until each of its transactions is a row."""
    from collector.pcap_source import PcapSource
    from deploy.capture import load_capture, transactions_in

    config = replace(config, site=replace(config.site, node=RECORDED))
    wanted = transactions_in(config, str(CAPTURE))
    steps.say(f"capture of an Open5GS core: {CAPTURE.name}, {wanted:,} transactions")
    try:
        load_capture(config, PcapSource(CAPTURE))
    except Refusal as refusal:
        if "loaded already" not in refusal.failed:
            raise
        steps.say("it was loaded before: nothing is loaded twice")
    _arrived(config, Wanted(RECORDED, wanted), steps)


def _live(config: Config, steps: Steps) -> None:
    """Let two programs talk SBI on loopback while the agent looks on from the kernel."""
    why = live_hindrance(config)
    if why:
        steps.say(f"no live capture here: {why} (sbiscope doctor says more)")
        return
    from deploy.demo_peers import talk

    began_us = time.time_ns() // 1_000
    with _agent(steps):
        steps.say(f"two programs have {EXCHANGES} SBI exchanges on loopback, no port configured")
        ports = {(had.client_port, had.server_port) for had in talk(EXCHANGES, RATE)}
    _arrived(config, Wanted(LIVE, 2 * EXCHANGES, began_us, frozenset(ports)), steps)


def live_hindrance(config: Config) -> str:
    """Return why the kernel cannot be asked here, empty where it can."""
    if os.geteuid() != 0:
        return "this is not root"
    from deploy.kernel_check import kernel_findings

    wrong = [finding for finding in kernel_findings(config.collector) if not finding.is_fine]
    return f"{wrong[0].name}: {wrong[0].seen}" if wrong else ""


@contextmanager
def _agent(steps: Steps) -> Iterator[None]:
    """Run `sbiscope collect` while the body runs; it has ended in order, all published, afterwards."""
    from deploy.stack.parts import ROOT

    words = [sys.executable, "-m", "deploy.cli", "collect", "--node", LIVE]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as agent:
        assert agent.stderr is not None
        try:
            said = observing_line(agent.stderr).strip()
            if "observing" not in said:
                raise Refusal("the agent did not start", said, "see: sbiscope doctor")
            steps.say(said.removeprefix("sbiscope collect: "))
            yield
        finally:
            agent.send_signal(signal.SIGTERM)
            rest = agent.stderr.read().strip()
    if agent.returncode != 0:
        raise Refusal("the agent did not end in order", rest)
    steps.say(f"agent {rest.rpartition('sbiscope collect: ')[2]}")


def observing_line(said: IO[str]) -> str:
    """Return the line in which a starting agent says that it observes, or its last where it ends before.

    Others may come first: of programs whose TLS it cannot follow.
    """
    last = ""
    for last in iter(said.readline, ""):
        if "observing" in last:
            break
    return last


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions are waited for: of a node, from a time on (µs), and of these ports where there are any.

    Other SBI traffic of this host is observed too, and may be older or of another run: it is not counted here. A client
    port alone tells no connection: the kernel gives one to several at a time when their server ports differ.
    """

    node: str
    count: int
    since_us: int = 0
    ports: frozenset[tuple[int, int]] = frozenset()  # of client and server


def _arrived(config: Config, wanted: Wanted, steps: Steps) -> None:
    """Wait until the wanted transactions are rows; raises Refusal when they do not come."""
    from deploy.accounts import reader
    from streams.clickhouse import connect, rows

    sql = (
        "SELECT count() FROM transactions FINAL WHERE node = {node:String} AND request_us >= {since:DateTime64(6)} "
        "AND (empty({ports:Array(String)}) OR has({ports:Array(String)}, concat(client_port, ' ', server_port)))"
    )
    ports = [f"{client} {server}" for client, server in wanted.ports]
    places = {"node": wanted.node, "since": wanted.since_us / 1_000_000, "ports": ports}
    client = connect(reader(config))
    began = time.monotonic()
    try:
        while (there := rows(client, sql, places)[0][0]) < wanted.count:
            if time.monotonic() - began > LONGEST_S:
                seen = f"{there} of {wanted.count} rows after {LONGEST_S:.0f} s"
                raise Refusal("not all transactions arrived", seen, "see: sbiscope status")
            time.sleep(0.1)
    finally:
        client.close()
    steps.say(f"{there:,} transactions in ClickHouse, each once")


def _report(config: Config, steps: Steps) -> None:
    from deploy.commands import report

    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    report.arguments(parser)
    page = Path(config.stack.directory) / "report.html"
    steps.say("the key figures:")
    print()
    report.run(parser.parse_args([]))
    print()
    report.run(parser.parse_args(["--format", "html", "--output", str(page)]))
    print()
    for line in further(config):
        print(line)


def further(config: Config) -> Iterator[str]:
    """Yield how to look further."""
    from deploy.stack.endpoints import endpoints
    from deploy.stack.layout import layout

    command = ".venv/bin/sbiscope"
    secret = os.path.relpath(layout(config.stack).passwords)
    url = endpoints(config).clickhouse.url
    yield "look further:"
    yield f"  {command} status"
    yield "  " + command + ' query "SELECT * FROM operations_summary LIMIT 5"'  # noqa: S608 (shown, not run)
    yield f"  {command} query --cookbook list"
    yield f"  {command} report --by operation"
    if not config.clickhouse.url:
        yield f"  curl -u reader:… '{url}/?database={config.clickhouse.database}' -d 'SHOW TABLES'"
        yield f"  (its password: {secret})"
    yield "  make demo-stop"


if __name__ == "__main__":
    sys.exit(main())
