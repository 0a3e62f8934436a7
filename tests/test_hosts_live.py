"""Test hosts in network namespaces of their own, and real containers: events name process, namespace and container.

Containers are runc's, with namespaces of their own for processes, mounts and network, in groups such as Kubernetes'.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.debian import installed
from tests.kernel import LIVE
from tests.test_agent_live import ROOT, Event, agent, control_group
from tests.test_inventory import LOOPBACK_UP

pytestmark = LIVE
PORT, COUNT = 7_777, 23
POD = "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a2{}"
CONTAINER = "{0}ca1ab1e" * 8
GROUPS = Path("/sys/fs/cgroup")
CANNOT = re.compile("pivot_root|not permitted")
STAYS = "import sys; print(flush=True); sys.stdin.read()"
SERVES = f"""
import socket, sys, threading
from deploy.demo_peers import serve
listener = socket.create_server(("127.0.0.1", {PORT}))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
print("serving", flush=True)
sys.stdin.read()
"""
ASKS = f"""
import json, sys
from deploy.demo_peers import Consumer
consumer = Consumer({PORT})
sys.stdin.readline()
print(json.dumps(sorted({{consumer.exchange(number).client_port for number in range({COUNT})}})), flush=True)
sys.stdin.read()
"""
TALKS = SERVES.replace("sys.stdin.read()", "") + ASKS


@dataclass
class Nf:
    """A running program, and where it runs: numbers as the agent's own namespaces have them."""

    process: "subprocess.Popen[str]"
    number: int
    container: str | None = None
    pod: str | None = None

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ask(self) -> list[int]:
        """Let it have its exchanges; return the ports that it had them by."""
        assert self.process.stdin is not None
        self.process.stdin.write("now\n")
        self.process.stdin.flush()
        ports: list[int] = json.loads(self.says())
        return ports

    def place(self) -> tuple[int, int, str | None, str | None]:
        """Return process, network namespace, container and pod, as an event is to name them."""
        return self.number, Path(f"/proc/{self.number}/ns/net").stat().st_ino, self.container, self.pod


@contextmanager
def started(command: list[str], **kept: str) -> Iterator["subprocess.Popen[str]"]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, env={**os.environ, **kept}, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def host_of_its_own() -> Iterator[int]:
    """Keep a network namespace with nothing but loopback; give the process that is in it."""
    with started(["unshare", "-n", sys.executable, "-c", LOOPBACK_UP, sys.executable, "-c", STAYS]) as one:
        assert one.stdout is not None
        one.stdout.readline()
        yield one.pid


@contextmanager
def nf(host: int, program: str, number: int | None = None) -> Iterator[Nf]:
    """Run a network function on a test host: in a control group of a pod, or in none."""
    inside = ["nsenter", f"--net=/proc/{host}/ns/net", sys.executable, "-c", program]
    with ExitStack() as ending:
        if number is None:
            process = ending.enter_context(started(inside))
            yield Nf(process, process.pid)
            return
        container, pod = CONTAINER.format(number), POD.format(number)
        group = ending.enter_context(control_group(f"kubepods/pod{pod}/{container}"))
        enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        process = ending.enter_context(started(["sh", "-c", enter, "sh", *inside]))
        yield Nf(process, process.pid, container, pod)


def places(events: list[Event], port: int, vantage: str) -> set[tuple[int, int, str | None, str | None]]:
    found = [one for one in events if (one["client_port"], one["vantage"]) == (port, vantage)]
    assert len({(one["stream_id"], one["half"], one["connection_id"]) for one in found}) == len(found) > 0
    return {(one["process_id"], one["netns"], one["container_id"], one["pod_uid"]) for one in found}


def test_several_functions_of_one_test_host_are_told_apart_from_those_of_another(tmp_path: Path) -> None:
    """Two hosts have the same addresses and the same ports."""
    with agent(tmp_path) as running, ExitStack() as ending:
        hosts = [ending.enter_context(host_of_its_own()) for _ in range(2)]
        asked = []
        for which, host in enumerate(hosts):
            server = ending.enter_context(nf(host, SERVES, 3 * which + 1))
            assert server.says() == "serving\n"
            clients = [ending.enter_context(nf(host, ASKS, number)) for number in (3 * which + 2, 3 * which + 3, None)]
            asked += [(client.ask(), client.place(), server.place()) for client in clients]
        running.end()
    events = [one for one in running.events() if one["server_port"] == PORT]
    assert len({place[1] for _, *both in asked for place in both}) == 2
    for ports, client, server in asked:
        here = [one for one in events if one["netns"] == client[1]]
        for port in ports:
            assert places(here, port, "client") == {client}
            assert places(here, port, "server") == {server}
        own = [one for one in here if one["client_port"] in ports]
        assert len(own) == 4 * COUNT
        assert {(one["ended"], one["header_state"]) for one in own} == {("complete", "exact")}


def bundle(place: Path, program: str, group: str) -> None:
    """Write what runc runs: this machine's files, read only, and nothing that can be written."""
    subprocess.run(["runc", "spec"], cwd=place, check=True)
    spec = json.loads((place / "config.json").read_text())
    shown = [
        path for path in ("/usr", "/lib", "/lib64", "/bin", "/etc", str(ROOT), sys.base_prefix) if Path(path).exists()
    ]
    for path in shown:
        options = ["rbind", "ro"]
        spec["mounts"].append({"destination": path, "type": "bind", "source": path, "options": options})
        (place / "rootfs" / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    packages = f"PYTHONPATH={ROOT}:{sysconfig.get_path('purelib')}"
    python = str(Path(sys.executable).resolve())
    spec["process"] |= {"terminal": False, "args": [python, "-c", program], "cwd": str(ROOT)}
    spec["process"]["env"].append(packages)
    spec["root"] = {"path": "rootfs", "readonly": False}
    spec["linux"]["cgroupsPath"] = group
    (place / "config.json").write_text(json.dumps(spec))


@contextmanager
def container(place: Path, number: int) -> Iterator[Nf]:
    """Run a network function that asks itself, in a container of runc."""
    name, pod = CONTAINER.format(number), POD.format(number)
    place.mkdir()
    bundle(place, TALKS, f"/kubepods/pod{pod}/{name}")
    runc = ["runc", "--root", str(place / "state"), "--log", str(place / "log")]
    try:
        with started([*runc, "run", "--bundle", str(place), name]) as process:
            one = Nf(process, 0, name, pod)
            if one.says() != "serving\n":
                why = (place / "log").read_text()
                assert CANNOT.search(why), why
                pytest.skip(f"no container can be made here: {why}")  # as in a chroot
            state = subprocess.run([*runc, "state", name], check=True, capture_output=True, text=True).stdout
            one.number = json.loads(state)["pid"]
            yield one
            subprocess.run([*runc, "kill", name, "KILL"], check=True)
    finally:
        subprocess.run([*runc, "delete", "--force", name], check=False, capture_output=True)
        forget(pod)


def forget(pod: str) -> None:
    """Remove the control groups of a pod."""
    for group in [*GROUPS.glob(f"kubepods/pod{pod}"), *GROUPS.glob(f"*/kubepods/pod{pod}")]:
        for folder in (*group.iterdir(), group, group.parent):
            with suppress(OSError):  # a file, or others are in it
                folder.rmdir()


def named(place: Path, *containers: AbstractContextManager[Nf]) -> list[Event]:
    """Run an agent and containers which then talk; each event names the right one. Return the events."""
    with agent(place) as running, ExitStack() as ending:
        both = [ending.enter_context(one) for one in containers]
        asked = [(one.ask(), one.place()) for one in both]
        running.end()
    events = [one for one in running.events() if one["server_port"] == PORT]
    assert len({place[1] for _, place in asked}) == 2
    for ports, place in asked:
        here = [one for one in events if one["netns"] == place[1]]
        for port in ports:
            assert places(here, port, "client") == places(here, port, "server") == {place}
        assert len(here) == 4 * COUNT
        assert {one["process_name"] for one in here} == {Path(sys.executable).resolve().name[:15]}
    return events


def test_containers_of_runc_are_named(tmp_path: Path) -> None:
    installed("runc", "runc")
    named(tmp_path, *(container(tmp_path / f"container{number}", number) for number in (7, 8)))
