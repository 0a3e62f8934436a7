"""`sbiscope doctor`: what this kernel and this machine can do, and what is missing, one line each.

With --inventory: who talks to whom on this node.
"""

import argparse
import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from deploy.findings import Finding
from schemas.refusal import Refusal

if TYPE_CHECKING:
    from schemas.config import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `doctor` takes."""
    parser.add_argument(
        "--inventory",
        action="store_true",
        help="who talks to whom on this node just now, SBI or not, by process and pod",
    )
    parser.add_argument(
        "--keep-programs",
        action="store_true",
        help="as root: compile what the agent loads into the kernel, for agents without the right to keep it",
    )


def run(options: argparse.Namespace) -> int:
    """Print every finding; 1 if something is missing. Or print the node's inventory."""
    from deploy.kernel_check import kernel_findings
    from schemas.config import load

    config = load(options.config)
    if options.inventory:
        return _inventory(config)
    if options.keep_programs:
        return _keep_programs(config)
    found = [*machine_findings(), *kernel_findings(config.collector)]
    for one in found:
        advice = f"; {one.advice}" if one.advice and not one.is_fine else ""
        print(f"{'ok     ' if one.is_fine else 'missing'} {one.name}: {one.seen}{advice}")
    return 0 if all(one.is_fine for one in found) else 1


def _inventory(config: "Config") -> int:
    from contextlib import ExitStack

    from collector.attribution import Attribution
    from collector.message import Counters
    from deploy.inventory import inventory, lines
    from deploy.live import names_here, pods_here

    with ExitStack() as ending:
        pods = pods_here(config, Counters(), ending)
        found = inventory(Attribution(pods.of, container_of=names_here(ending)).of)
    for line in lines(found):
        print(line)
    return 0


def _keep_programs(config: "Config") -> int:
    """Let a loader compile and keep the configured hook's programs, unless that was done; 1 where that cannot be."""
    from collector import loader
    from collector.hooks import hooks, ports, ring_size
    from collector.loading import begun
    from collector.wanted import filters

    collector = config.collector
    hook, size = hooks(collector.hook)[0], ring_size(collector.ring_bytes)
    flags = loader.flags(size, ports(collector.ports), collector.only_own_processes, filters(collector))
    if not loader.is_kept(hook, flags, loader.CACHE):
        begun(collector).loaded()  # what it loaded is gone with this process
    is_kept = loader.is_kept(hook, flags, loader.CACHE)
    print(f"the programs of hook {hook} are {'kept' if is_kept else 'not kept: that takes root'}")
    return 0 if is_kept else 1


def machine_findings() -> list[Finding]:
    """Return what this Python and the programs beside it can do; a node's installation has no local stack."""
    stack = [_java(), _maven(), _engine()] if find_spec("streams") else []
    return [_python(), _build(), *stack]


def _python() -> Finding:
    version = sys.version.split()[0]
    return Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _build() -> Finding:
    from collector import http2

    compiled = not str(http2.__file__).endswith(".py")
    seen = "compiled modules in use" if compiled else "uncompiled, 30 to 100 times slower"
    return Finding("build", compiled, seen, "install gcc, libc6-dev and python3-dev, then: make build")


def _java() -> Finding:
    from deploy.stack.java import java

    try:
        found = java()
    except Refusal as refusal:
        return Finding("Java", False, f"{refusal.failed}: {refusal.seen}", refusal.advice)
    return Finding("Java", True, f"{found.version}, {found.program}")


def _maven() -> Finding:
    from deploy.stack import jars

    if jars.fetched():
        return Finding("Kafka", True, f"its jars are in {jars.directory()}")
    path = shutil.which("mvn")
    if path is None:
        return Finding("Kafka", False, "neither its jars nor Maven are here", "install it: sudo apt-get install maven")
    return Finding("Kafka", True, f"fetched by {path} at the first start")


def _engine() -> Finding:
    there = find_spec("chdb") is not None
    return Finding("ClickHouse engine", there, "chdb" if there else "not installed", "pip install sbiscope[streams]")
