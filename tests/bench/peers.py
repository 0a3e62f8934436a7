"""Debian's HTTP/2 programs as network functions under load: nghttpd answers, h2load asks, in cleartext and TLS."""

import json
import random
import re
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS, RATE = 10, 2_000
BODY_BYTES, BODIES = 4_096, 997  # policies of as many subscribers, each client asks for all in its own order
PATH = "npcf-am-policy-control/v1/policies"
OPENING_S = 4.0
UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}


@dataclass(frozen=True, slots=True)
class Played:
    """What the clients of a run had."""

    mean_us: float
    requests: int
    client_cpu_s: float


class Peers:
    """Two running servers over the same files."""

    def __init__(self, ports: tuple[int, int], processes: list[int], place: Path) -> None:
        self.ports = ports
        self._processes = processes
        self._place = place

    def port(self, tls: bool) -> int:
        """Return where the server of cleartext or of TLS listens."""
        return self.ports[tls]

    def cpu_s(self) -> float:
        """Return the CPU of the servers so far."""
        return sum(map(cpu_s_of, self._processes))

    def steady(self, tls: bool, seconds: float) -> Played:
        """Put the fixed load on: a client a connection, each with its own files in its own order."""
        before = used_by_children()
        clients = [
            subprocess.Popen(self.client(tls, number, RATE // CONNECTIONS, seconds), stdout=subprocess.PIPE, text=True)
            for number in range(CONNECTIONS)
        ]
        said = [client.communicate()[0] for client in clients]
        means, counts = zip(*map(mean_and_count, said), strict=True)
        return Played(sum(means) / len(means), sum(counts), used_by_children() - before)

    def client(self, tls: bool, number: int, rate: int, seconds: float, connections: int = 1) -> list[str]:
        """Return the command of a client that asks `rate` times a second on each connection, for its own files."""
        base = f"{'https' if tls else 'http'}://127.0.0.1:{self.ports[tls]}"
        files = ["-i", str(self._place / f"uris{number}"), f"--base-uri={base}"]
        return ["h2load", "-c", str(connections), "--rps", str(rate), "-D", str(max(1, round(seconds))), *files]

    @contextmanager
    def many(self, connections: int) -> Iterator[None]:
        """Have many connections open as long as the block lasts; each asks once a second."""
        url = f"http://127.0.0.1:{self.ports[False]}/{PATH}/0.json"
        command = ["h2load", "-c", str(connections), "--rps", "1", "-D", "60", url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as clients:
            try:
                time.sleep(OPENING_S)
                yield
            finally:
                clients.kill()

    @contextmanager
    def trickle(self) -> Iterator[None]:
        """Ask a hundred times a second as long as the block lasts."""
        with subprocess.Popen(self.client(False, 0, 100, 60), stdout=subprocess.DEVNULL) as client:
            try:
                yield
            finally:
                client.kill()


def mean_and_count(said: str) -> tuple[float, int]:
    """Return the mean time of a request in microseconds and the number of answers that h2load tells."""
    mean = said.partition("time for request:")[2].split()[2]
    number, unit = re.match(r"([\d.]+)(\w+)", mean).groups()  # type: ignore[union-attr]
    answered = re.search(r"(\d+) succeeded", said)
    assert answered is not None, said
    return float(number) * UNITS[unit], int(answered[1])


def saturate(port: int, seconds: float, at_most: float = 0.0, after_s: float = 0.0) -> float:
    """Ask for the small file as fast as it is answered, 8 at a time, or `at_most` a second; return requests/s.

    `after_s`: counted once the same connections have asked for so long.
    """
    pace = ["--rps", str(round(at_most / 8))] if at_most else []
    url = f"http://127.0.0.1:{port}/small.json"
    command = ["h2load", "-D", str(max(1, round(seconds))), "-c", "8", "-m", "1", *pace, url]
    if after_s:
        command[1:1] = ["--warm-up-time", str(round(after_s))]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return mean_and_count(said)[1] / seconds


@contextmanager
def peers(place: Path) -> Iterator[Peers]:
    """Run both servers over files made in `place`."""
    root = place / "files"
    if not root.exists():
        write_files(root, place)
    with ExitStack() as ending:
        ports = free_port(), free_port()
        common = ["nghttpd", "--address=127.0.0.1", f"--mime-types-file={place / 'types'}", "-d", str(root)]
        commands = (
            [*common, "--no-tls", str(ports[0])],
            [*common, str(ports[1]), str(place / "key"), str(place / "certificate")],
        )
        servers = [
            ending.enter_context(subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            for one in commands
        ]
        for server in servers:
            ending.callback(server.kill)
        time.sleep(0.3)
        yield Peers(ports, [server.pid for server in servers], place)


def write_files(root: Path, place: Path) -> None:
    """Write the bodies, the clients' lists of them, and a certificate."""
    (root / PATH).mkdir(parents=True)
    (root / "small.json").write_text("{}")
    for number in range(BODIES):
        (root / PATH / f"{number}.json").write_bytes(body(number))
    for client in range(CONNECTIONS):
        own = [f"/{PATH}/{number}.json" for number in range(BODIES)]
        random.shuffle(own)
        (place / f"uris{client}").write_text("\n".join(own) + "\n")
    (place / "types").write_text("application/json json\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-out", str(place / "certificate"), "-keyout", str(place / "key")]
    subprocess.run(["openssl", "req", "-x509", *curve, *files], check=True, capture_output=True)


def body(number: int) -> bytes:
    """Return a PolicyAssociation (TS 29.507 5.6.2.2) of exactly BODY_BYTES."""
    plmn = {"mcc": "999", "mnc": "70"}
    cell = {"tai": {"plmnId": plmn, "tac": "000001"}, "ncgi": {"plmnId": plmn, "nrCellId": f"{number:09x}"}}
    request = {
        "notificationUri": f"http://127.0.0.5:7777/npcf-callback/v1/am-policies/{number}",
        "supi": f"imsi-99970{number:010}",
        "accessType": "3GPP_ACCESS",
        "servingPlmn": plmn,
        "userLoc": {"nrLocation": cell},
        "ratType": "NR",
    }
    policy = {"request": request, "suppFeat": "0", "triggers": ["LOC_CH"], "pras": {}}
    areas: dict[str, dict[str, object]] = policy["pras"]  # type: ignore[assignment]
    while len(json.dumps(policy)) < BODY_BYTES - 120:
        areas[f"{len(areas)}"] = {"praId": f"{len(areas)}", "trackingAreaList": [cell["tai"]]}
    rest = BODY_BYTES - len(json.dumps(policy | {"servAreaRes": ""}))
    return json.dumps(policy | {"servAreaRes": "x" * rest}).encode()


def free_port() -> int:
    """Return a port that nothing listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def cpu_s_of(process: int) -> float:
    """Return the CPU that a process's threads have used, to the nanosecond; of one that just ended nothing."""
    used_ns = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):
            used_ns += int((task / "schedstat").read_text().split()[0])
    return used_ns / 1e9


def used_by_children() -> float:
    """Return the CPU of all processes waited for so far, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
