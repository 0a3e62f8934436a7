"""The agent as a process: real programs speak HTTP/2 on loopback, each of their messages is an event, no port told."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from collector.loading import Loading, begun
from collector.probes import Probes
from deploy.demo import observing_line
from deploy.demo_peers import Consumer, producers, serve_connection, talk
from deploy.kernel_check import kernel_findings
from schemas.config import Collector
from schemas.refusal import Refusal
from tests.debian import installed
from tests.kernel import LIVE, without

pytestmark = LIVE
ROOT = Path(__file__).parent.parent
COUNT = 23
VANTAGES = ("client", "server")
HOOKS = ("sock", "fexit", "kprobe", "syscall")
BPF_PROG_GET_FD_BY_ID = 13
SYS_BPF = 321

Event = dict[str, Any]


@pytest.fixture(params=HOOKS, scope="module")
def hook(request: pytest.FixtureRequest) -> str:
    """Return each hook that this kernel takes."""
    try:
        Probes(Loading([request.param], 1 << 20)).close()
    except Refusal as refusal:
        without(request.param, refusal)
    return str(request.param)


class Agent:
    """A running `sbiscope collect` that writes JSON lines."""

    def __init__(self, lines: Path, *options: str, start: Sequence[str] = (sys.executable,)) -> None:
        self.lines = lines
        command = [*start, "-m", "deploy.cli", "collect", "--to", str(lines), *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said = observing_line(self.process.stderr)

    def end(self) -> str:
        """End it in order; return what it said last."""
        time.sleep(0.1)
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, said
        return str(said)

    def events(self) -> list[Event]:
        return [json.loads(line) for line in self.lines.read_text().splitlines()]

    def events_around_a_kill(self) -> list[Event]:
        """Return what is written; one line is none: what an observer was killed in, often nothing."""
        lines = self.lines.read_text().splitlines()
        whole = [event for event in map(event_of, lines) if event is not None]
        assert len(whole) == len(lines) - 1
        return whole

    def whole_lines(self) -> list[Event]:
        """Return what is written by now, without a line that is being written."""
        return [json.loads(line) for line in self.lines.read_bytes().split(b"\n")[:-1] if line]


def event_of(line: str) -> Event | None:
    """Return the event of a line; None where it is none."""
    try:
        return cast("Event", json.loads(line))
    except json.JSONDecodeError:
        return None


@contextmanager
def agent(place: Path, *options: str, start: Sequence[str] = (sys.executable,)) -> Iterator[Agent]:
    running = Agent(place / "events.jsonl", *options, start=start)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


def seen(events: list[Event], port: int) -> Counter[tuple[str, str]]:
    """Count the events of a server's port by vantage and half; all of them whole and exact."""
    of_port = [event for event in events if event["server_port"] == port]
    assert {(event["ended"], event["header_state"]) for event in of_port} <= {("complete", "exact")}
    return Counter((event["vantage"], event["half"]) for event in of_port)


def each(count: int) -> dict[tuple[str, str], int]:
    return {(vantage, half): count for vantage in ("client", "server") for half in ("request", "response")}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def nghttpd(place: Path) -> Iterator[int]:
    """Run Debian's HTTP/2 server over `place`; give its port."""
    port = free_port()
    command = ["nghttpd", "--no-tls", "--address=127.0.0.1", "-d", str(place), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close())
            yield port
        finally:
            server.kill()


def wait_for(attempt: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def nghttp() -> None:
    """Have Debian's HTTP/2 programs."""
    for program, package in (("nghttpd", "nghttp2-server"), ("h2load", "nghttp2-client"), ("curl", "curl")):
        installed(program, package)


def test_programs_that_talk_sbi_are_seen_from_both_ends(hook: str, tmp_path: Path) -> None:
    with agent(tmp_path, "--hook", hook) as running:
        assert f"hook {hook}" in running.said
        said = talk(COUNT)
        running.end()
    ports = {event["client_port"] for event in running.events()} & {exchange.client_port for exchange in said}
    events = [event for event in running.events() if event["client_port"] in ports]
    assert seen(events, events[0]["server_port"]) == each(COUNT)
    truth = {(one.client_port, one.stream_id): one for one in said}
    for event in events:
        exchange = truth[event["client_port"], event["stream_id"]]
        if event["half"] == "request":
            assert (event["method"], event["authority"]) == (exchange.method, exchange.authority)
        else:
            assert event["status"] == exchange.status
        assert event["process_name"].startswith("python")
        assert event["consumer_nf"] == "AMF"
        assert event["operation"]


@pytest.mark.parametrize("client", ["nghttp", "h2load", "curl"])
def test_debians_programs_are_seen_from_both_ends(hook: str, nghttp: None, tmp_path: Path, client: str) -> None:
    (tmp_path / "page").write_bytes(b"{}" * 3_000)
    with nghttpd(tmp_path) as port, agent(tmp_path, "--hook", hook) as running:
        url = f"http://127.0.0.1:{port}/page"
        commands = {
            "nghttp": [["nghttp", "-n", "-m", str(COUNT), url]],
            "h2load": [["h2load", "-n", str(COUNT), "-c", "3", "-m", "4", url]],
            "curl": [["curl", "-s", "-f", "--http2-prior-knowledge", url]] * COUNT,
        }
        for command in commands[client]:
            subprocess.run(command, check=True, capture_output=True)
        running.end()
    events = running.events()
    assert seen(events, port) == each(COUNT)
    names = {(event["vantage"], event["process_name"]) for event in events if event["server_port"] == port}
    assert names == {("client", client), ("server", "nghttpd")}


def test_a_connection_older_than_the_agent_is_joined(hook: str, tmp_path: Path) -> None:
    """The first message of each direction may be spent on finding a frame's begin; every later one is seen whole."""
    with producers() as port:
        consumer = Consumer(port)
        for number in range(COUNT):
            consumer.exchange(number)
        with agent(tmp_path, "--hook", hook) as running:
            said = [consumer.exchange(number) for number in range(COUNT, 3 * COUNT)]
            consumer.close()
            running.end()
    events = [event for event in running.events() if event["server_port"] == port]
    first = {one.client_port: one.stream_id for one in reversed(said)}
    wanted = {(one.client_port, one.stream_id) for one in said if one.stream_id != first[one.client_port]}
    whole = [event for event in events if event["ended"] == "complete"]
    here = Path("/proc/self/ns/net").stat().st_ino
    assert {(one["netns"], one["client_address"], one["server_address"]) for one in whole} == {
        (here, "127.0.0.1", "127.0.0.1")
    }
    processes = {vantage: {one["process_id"] for one in whole if one["vantage"] == vantage} for vantage in VANTAGES}
    assert processes["client"] == {os.getpid()}
    assert len(processes["server"] - {os.getpid(), None}) == 1
    for vantage in VANTAGES:
        for half in ("request", "response"):
            found = [event for event in whole if (event["vantage"], event["half"]) == (vantage, half)]
            assert wanted <= {(event["client_port"], event["stream_id"]) for event in found}
            assert len(found) <= len(said)


def test_short_connections_in_turn_with_foreign_ones_are_all_seen(hook: str, tmp_path: Path) -> None:
    """The kernel reuses the memory of sockets: what was told of one must not stick to the next."""
    foreign = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer_foreign, args=(foreign,), daemon=True).start()
    with producers() as port, agent(tmp_path, "--hook", hook) as running:
        for number in range(100):
            consumer = Consumer(port)
            consumer.exchange(number)
            consumer.close()
            with socket.create_connection(foreign.getsockname()) as link:
                link.sendall(b"PING %d\r\n" % number)
                assert link.recv(64)
        running.end()
    assert seen(running.events(), port) == each(100)
    assert foreign.getsockname()[1] not in {event["server_port"] for event in running.events()}


def answer_foreign(listener: socket.socket) -> None:
    while True:
        link, _ = listener.accept()
        with link:
            link.recv(64)
            link.sendall(b"+PONG\r\n")


def test_http1_is_seen_where_it_is_sbi(hook: str, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    with agent(tmp_path, "--hook", hook) as running:
        for path in ("/metrics", "/nnrf-nfm/v1/nf-instances", "/?query=SELECT+1"):
            link = HTTPConnection("127.0.0.1", port)
            link.request("GET", path)
            assert link.getresponse().status == 204
            link.close()
        running.end()
    server.shutdown()
    server.server_close()
    assert seen(running.events(), port) == each(1)
    requests = [event for event in running.events() if event["server_port"] == port and event["half"] == "request"]
    assert {event["path"] for event in requests} == {"/nnrf-nfm/v1/nf-instances"}


class Answering(BaseHTTPRequestHandler):
    """Answers everything with 204."""

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_another_address_family(hook: str, tmp_path: Path) -> None:
    with (
        socket.create_server(("::1", 0), family=socket.AF_INET6) as listener,
        agent(tmp_path, "--hook", hook) as running,
    ):
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: serve_connection(listener.accept()[0]), daemon=True).start()
        consumer = Consumer(port, "::1")
        for number in (0, 9):  # both ask the same producer
            consumer.exchange(number)
        consumer.close()
        running.end()
    assert seen(running.events(), port) == each(2)
    ours = [event for event in running.events() if event["server_port"] == port]  # other tests speak SBI beside us
    assert {event["client_address"] for event in ours} == {"::1"}


def test_a_port_filter_leaves_the_rest_alone(hook: str, tmp_path: Path) -> None:
    with producers() as port, producers() as other, agent_with_ports(tmp_path, hook, port) as running:
        for server in (port, other):
            consumer = Consumer(server)
            consumer.exchange(0)
            consumer.close()
        running.end()
    assert seen(running.events(), port) == each(1)
    assert {event["server_port"] for event in running.events()} == {port}


@contextmanager
def agent_with_ports(place: Path, hook: str, port: int) -> Iterator[Agent]:
    (place / "agent.toml").write_text(f'[collector]\nports = "{port}"\n')
    with agent(place, "--hook", hook, "--config", str(place / "agent.toml")) as running:
        yield running


def program_ids(process: int) -> set[int]:
    """Return the BPF programs that descriptors of a process keep attached."""
    found = set()
    for entry in Path(f"/proc/{process}/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            lines = [line.split() for line in entry.read_text().splitlines()]
            found |= {int(words[1]) for words in lines if words[0] == "prog_id:"}
    return found


def is_loaded(program: int) -> bool:
    attribute = (ctypes.c_uint32 * 32)(program)
    descriptor = ctypes.CDLL(None).syscall(SYS_BPF, BPF_PROG_GET_FD_BY_ID, ctypes.byref(attribute), 128)
    if descriptor >= 0:
        os.close(descriptor)
    return bool(descriptor >= 0)


def gone(programs: set[int]) -> bool:
    until = time.monotonic() + 60
    while any(map(is_loaded, programs)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(is_loaded, programs))


def test_no_process_has_rights_and_nothing_is_left_when_killed(tmp_path: Path) -> None:
    with producers() as port, agent(tmp_path) as running:
        observer = observer_of(running.process.pid)
        for process in (running.process.pid, observer):
            fields = status(process)
            assert fields["Uid"].split() == ["65534"] * 4
            assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
            assert fields["NoNewPrivs"] == "1"
        assert status(observer)["Seccomp"] == "2"
        programs = program_ids(running.process.pid)
        assert len(programs) >= 3
        assert program_ids(observer) == set()
        consumer = Consumer(port)
        consumer.exchange(0)
        running.process.kill()
        running.process.wait()
        assert gone(programs)
        assert all(consumer.exchange(number).status for number in range(1, 10))
        consumer.close()


@pytest.fixture(scope="module")
def unprivileged() -> list[str]:
    """Return how a program is started as nobody with CAP_BPF and CAP_PERFMON and nothing else."""
    caps = "-all,+bpf,+perfmon"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--bounding-set={caps}"]
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    given = ["--no-new-privs", f"--inh-caps={caps}", f"--ambient-caps={caps}", "env", f"PYTHONPATH={ROOT}:{packages}"]
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        start = [*user, *given, python]
        if (
            subprocess.run([*start, "-c", "import collector.observer"], capture_output=True, check=False).returncode
            == 0
        ):
            return start
    pytest.skip("no Python that nobody may run can read the program here")


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that an unprivileged agent may write to, with a key of its own."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        key = place / "key"
        key.write_bytes(b"7" * 64)
        key.chmod(0o600)
        (place / "agent.toml").write_text(f'[collector]\npseudonym_key_file = "{key}"\n')
        for path in (place, key, place / "agent.toml"):
            os.chown(path, 65_534, 65_534)
        yield place


def test_two_capabilities_suffice_and_the_observer_has_none(unprivileged: list[str], open_place: Path) -> None:
    config = ["--config", str(open_place / "agent.toml")]
    with producers() as port, agent(open_place, *config, start=unprivileged) as running:
        assert "observing" in running.said
        observer = observer_of(running.process.pid)
        for process in (running.process.pid, observer):
            fields = status(process)
            assert fields["Uid"].split() == ["65534"] * 4
            assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert Path(f"/proc/{observer}/root").readlink().name.startswith("sbiscope-")
        assert list(Path(f"/proc/{observer}/root").iterdir()) == []
        for name in ("net", "user", "ipc", "mnt", "uts"):
            own = Path(f"/proc/{observer}/ns/{name}").stat().st_ino
            assert own != Path(f"/proc/self/ns/{name}").stat().st_ino
        kinds = [os.readlink(path) for path in Path(f"/proc/{observer}/fd").iterdir()]  # noqa: PTH115 (no path)
        assert not [kind for kind in kinds if "bpf_link" in kind or "bpf-prog" in kind]
        consumer = Consumer(port)
        consumer.exchange(0)
        consumer.close()
        running.end()
    assert seen([one for one in running.events() if one["server_port"] == port], port) == each(1)


AGENT = (ROOT / "deploy" / "manifests" / "sbiscope.yaml").read_text()
POD = next(
    one["spec"]["template"]["spec"]["containers"][0]["securityContext"]["capabilities"]["add"]
    for one in yaml.safe_load_all(AGENT)
    if one and one["kind"] == "DaemonSet"
)


def as_in_the_pod(*capabilities: str) -> list[str]:
    """Return how a program is started with the rights of the chart's agent: a root that has these capabilities only."""
    given = ",".join(f"+{name.lower()}" for name in capabilities)
    return ["setpriv", f"--bounding-set=-all,{given}", "--no-new-privs", sys.executable]


def test_the_rights_of_the_charts_pod_suffice_and_all_but_the_attacher_gives_them_up(tmp_path: Path) -> None:
    with producers() as port, agent(tmp_path, start=as_in_the_pod(*POD)) as running:
        assert "observing" in running.said
        for process in (running.process.pid, observer_of(running.process.pid)):
            assert {int(status(process)[name], 16) for name in ("CapPrm", "CapEff")} == {0}
            assert status(process)["NoNewPrivs"] == "1"
        consumer = Consumer(port)
        consumer.exchange(0)
        consumer.close()
        running.end()
    assert seen([one for one in running.events() if one["server_port"] == port], port) == each(1)


@pytest.mark.parametrize("taken", POD)
def test_doctor_names_the_right_that_was_taken_from_the_pod(taken: str) -> None:
    start = as_in_the_pod(*(one for one in POD if one != taken))
    done = subprocess.run([*start, "-m", "deploy.cli", "doctor"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing") and "hook" not in line]
    (line,) = [line for line in missing if "CAP_" in line.partition(";")[0]]
    assert f"no CAP_{taken};" in line


def told_by(running: Agent, port: int, rounds: int) -> None:
    """Wait until the events of so many rounds are written."""
    until = time.monotonic() + 60
    while seen(running.whole_lines(), port) != each(rounds * COUNT):
        assert time.monotonic() < until, seen(running.whole_lines(), port)
        time.sleep(0.05)


def test_a_killed_observers_successor_reads_on_from_the_same_ring(unprivileged: list[str], open_place: Path) -> None:
    """What came while none was there is in the ring; connections begun meanwhile are told whole."""
    config = ["--config", str(open_place / "agent.toml")]
    with producers() as port, agent(open_place, *config, start=unprivileged) as running:
        for number in range(3):
            observer = observer_of(running.process.pid)
            os.kill(observer, signal.SIGSTOP)
            consumer = Consumer(port)
            for exchange in range(COUNT):
                assert consumer.exchange(exchange).status, number
            consumer.close()
            os.kill(observer, signal.SIGKILL)
            wait_for(lambda killed=observer: another(running.process.pid, killed))
            # What an observer has read and not yet handed over would end with it.
            told_by(running, port, number + 1)
        running.end()
    whole = [one for one in running.whole_lines() if one["server_port"] == port]
    assert seen(whole, port) == each(3 * COUNT)


def another(process: int, killed: int) -> None:
    """Raise OSError until a child that is not `killed` has given up its rights."""
    found = [one for one in observers_of(process) if one != killed]
    if not found or not Path(f"/proc/{found[0]}/root").readlink().name.startswith("sbiscope-"):
        raise OSError("not yet")


def children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def observer_of(supervisor: int) -> int:
    (observer,) = observers_of(supervisor)
    return observer


def observers_of(supervisor: int) -> list[int]:
    """Return the observers among the supervisor's children; the attacher of TLS is another."""
    lines = {child: Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children(supervisor)}
    return [child for child, words in lines.items() if b"collector.observer_start" in words]


def status(process: int) -> dict[str, str]:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.mark.slow
def test_starting_and_stopping_leaves_nothing() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):  # a hundred times: tests/test_loss_live.py
        probes = Probes(begun(Collector()))
        programs = program_ids(os.getpid())
        window = probes.window()
        probes.close()
        assert programs
        assert gone(programs)
        del window
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("options", "wrapped", "line"),
    [
        (["--hook", "nonsense"], [], "no such hook: 'nonsense'"),
        ([], ["setpriv", "--bounding-set=-all", "--inh-caps=-all"], "this process lacks CAP_BPF and CAP_PERFMON"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: list[str], wrapped: list[str], line: str) -> None:
    command = [*wrapped, sys.executable, "-m", "deploy.cli", "collect", "--to", "-", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_hook_that_does_not_load_is_named_with_its_reason(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in kernel_findings()}
    lacking = [hook for hook in HOOKS if "does not load" in found[f"hook {hook}"].seen]
    if not lacking:
        pytest.skip("every hook loads on this kernel")
    command = [sys.executable, "-m", "deploy.cli", "collect", "--to", "-", "--hook", lacking[0]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"no kernel hook loads: {lacking[0]}: " in done.stderr
    assert done.stderr.count("\n") == 1


@contextmanager
def control_group(path: str) -> Iterator[Path]:
    """Make a control group (version 1, hierarchy pids, or version 2); skip where none can be made."""
    root = next(one for one in map(Path, ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")) if (one / "cgroup.procs").exists())
    made = [root / parent for parent in reversed(Path(path).parents) if str(parent) != "."] + [root / path]
    try:
        for folder in made:
            folder.mkdir(exist_ok=True)
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield made[-1]
    finally:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()


LASTING = """import sys, time
from deploy.demo_peers import Consumer
consumer = Consumer(int(sys.argv[1]))
consumer.exchange(0)
time.sleep(5)
consumer.close()
"""


def test_events_name_program_container_and_namespace(tmp_path: Path) -> None:
    container, pod = "5ca1ab1e" * 8, "0f9d2f6e-8b1f-4a56-9a3e-5d1f0c7b6a21"
    with (
        control_group(f"kubepods/pod{pod}/{container}") as group,
        producers() as port,
        agent(tmp_path) as running,
    ):
        enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        command = ["sh", "-c", enter, "sh", sys.executable, "-c", LASTING, str(port)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        running.end()
    events = [event for event in running.events() if event["server_port"] == port]
    assert seen(events, port) == each(1)
    assert {event["netns"] for event in events} == {Path("/proc/self/ns/net").stat().st_ino}
    assert {(one["vantage"], one["container_id"], one["pod_uid"]) for one in events} == {
        ("client", container, pod),
        ("server", None, None),
    }
