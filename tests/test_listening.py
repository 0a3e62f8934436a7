"""schemas/listening.py and who listens by it, agents, resolver and workers: networks of IPv4, of IPv6 and of both."""

import asyncio
import os
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from collector.health import HealthServer
from schemas.listening import listening
from schemas.refusal import Refusal
from streams.runtime.serving import serve
from tests.broker import free_ports
from tests.test_inventory import LOOPBACK_UP

ROOT = Path(__file__).parent.parent
BOTH = ("127.0.0.1", "::1")
WORKER = """
import asyncio, sys
from streams.runtime.serving import serve

async def run():
    await serve(str, sys.argv[1])
    print("serving", flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


def reached(port: int) -> tuple[str, ...]:
    """Return at which loopback addresses somebody answers /healthz."""
    found = []
    for host in BOTH:
        link = HTTPConnection(host, port, timeout=5)
        try:
            link.request("GET", "/healthz")
            found.append(host)
            assert link.getresponse().read() == b"well\n"
        except ConnectionRefusedError:
            pass
        finally:
            link.close()
    return tuple(found)


TABLE = [
    ("::", BOTH),
    ("0.0.0.0", BOTH[:1]),
    ("127.0.0.1", BOTH[:1]),
    ("::1", BOTH[1:]),
]  # fmt: skip


@pytest.mark.parametrize(("address", "wanted"), TABLE, ids=[address for address, _ in TABLE])
def test_an_agent_is_reached_where_it_listens(address: str, wanted: tuple[str, ...]) -> None:
    server = HealthServer(address, 0, str, str)
    server.start()
    assert reached(server.port) == wanted
    server.close()


@pytest.mark.parametrize(("address", "wanted"), TABLE, ids=[address for address, _ in TABLE])
def test_a_worker_is_reached_where_it_listens(address: str, wanted: tuple[str, ...]) -> None:
    (port,) = free_ports(1)
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    with subprocess.Popen([sys.executable, "-c", WORKER, place], cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"serving\n"
        assert reached(port) == wanted
        worker.kill()


def test_where_there_is_no_ipv6_every_address_is_one_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listening("::", 0) as server:
        assert server.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize("switched_off", [False, True], ids=["IPv6", "IPv6 switched off"])
def test_in_a_network_of_its_own(switched_off: bool) -> None:
    """Whether the interfaces have IPv6 or not, loopback answers."""
    host = "127.0.0.1" if switched_off else "::1"
    program = (
        "import socket; from schemas.listening import listening\n"
        f"if {switched_off}: open('/proc/sys/net/ipv6/conf/all/disable_ipv6', 'w').write('1')\n"
        f"with listening('::', 0) as s: socket.create_connection(('{host}', s.getsockname()[1]), 5).close()"
    )
    own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]  # no user may have one in a changed root
    begun = [sys.executable, "-c", LOOPBACK_UP, sys.executable, "-c", program]
    words = ["unshare", *own, "--net", *begun]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("address", "port"), [("203.0.113.1", 0), ("::", 70_000), ("2001:db8::7", 0)])
def test_what_is_no_address_of_this_machine_is_refused(address: str, port: int) -> None:
    with pytest.raises(Refusal, match="cannot serve metrics"):
        HealthServer(address, port, str, str)
    with pytest.raises(Refusal, match="cannot serve metrics"):
        asyncio.run(serve(str, f"[{address}]:{port}"))
