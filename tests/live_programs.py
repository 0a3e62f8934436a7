"""Programs of others that speak HTTP/2 with each other, in cleartext and TLS, and what they wrote down of it.

Each function serves, and gives the server's port and what lets a client ask there. A client asks SBI's questions as far
as its command line lets it; what it says that it asked and was answered is the truth.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy import demo_peers, demo_script
from tests import foreign_tls, tls_peers, unseen_tls
from tests.debian import GNUTLS, OPENSSL, can_build_with, installed
from tests.said import Said
from tests.traffic_maker.exchanges import mixed
from tests.traffic_maker.maker import NoGo, program, serving

ROOT = Path(__file__).parent.parent
COUNT = 23
CONNECTIONS = 3
POLICY = "npcf-am-policy-control/v1/policies/1"
POLICY_BYTES, ASKED_BYTES = 6_007, 1_409  # primes
NODE_PROGRAM = ROOT / "tests/tls_programs/peers.js"
TWO_LIBRARIES = ROOT / "tests/tls_programs/two_libraries.c"
DEBIANS = (("nghttpd", "nghttp2-server"), ("nghttp", "nghttp2-client"), ("curl", "curl"))

Identity = tuple[str, ...]  # files of a certificate and its key; none: cleartext


@dataclass(frozen=True, slots=True)
class Peers:
    """A running server: `ask(port)` lets a client ask at a port, its own or that of what stands before it."""

    port: int
    ask: Callable[[int], list[Said]]


Programs = Callable[[Path, Identity], AbstractContextManager[Peers]]


def of_python(port: int) -> list[Said]:
    """Return what every client of tests.tls_peers has been answered."""
    return COUNT * [Said(port, "GET", tls_peers.PATH, 200, 0, len(tls_peers.BODY))]


@contextmanager
def killed_at_last(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a program as long as the block lasts."""
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def port_of(process: "subprocess.Popen[str]") -> int:
    """Return the port that a server prints first."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def said_by(command: list[str]) -> str:
    """Run a client to its end; return what it prints. Raises CalledProcessError."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def nghttpd(place: Path, identity: Identity) -> Iterator[tuple[int, list[str]]]:
    """Run Debian's server, which sends back what is sent to it; give its port, and what a client is to send."""
    (place / POLICY).parent.mkdir(parents=True, exist_ok=True)
    (place / POLICY).write_bytes(b"{}" + b" " * (POLICY_BYTES - 2))
    (place / "asked").write_bytes(b"{}" + b" " * (ASKED_BYTES - 2))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    common = ["nghttpd", "--address=127.0.0.1", "--echo-upload", "-d", str(place)]
    shown = [str(port), *identity[::-1]] if identity else ["--no-tls", str(port)]
    with killed_at_last([*common, *shown]):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                pass
        yield port, [str(place / "asked")]


@contextmanager
def curl(place: Path, identity: Identity) -> Iterator[Peers]:
    """A connection for each exchange; every other one is a POST."""
    version = ["-k", "--http2"] if identity else ["--http2-prior-knowledge"]

    def ask(port: int) -> list[Said]:
        url = f"{'https' if identity else 'http'}://127.0.0.1:{port}/{POLICY}"
        common = ["curl", "-s", "-f", "-o", "/dev/null", "-w", "%{json}", *version, url]
        return [told(json.loads(said_by([*common, *(posting if number % 2 else [])]))) for number in range(COUNT)]

    def told(one: dict[str, str | int]) -> Said:
        path = urlsplit(str(one["url_effective"])).path
        numbers = [int(one[name]) for name in ("local_port", "http_code", "size_upload", "size_download")]
        return Said(numbers[0], str(one["method"]), path, *numbers[1:])

    with nghttpd(place, identity) as (server, asked):
        posting = ["--data-binary", f"@{asked[0]}"]
        yield Peers(server, ask)


@contextmanager
def nghttp(place: Path, identity: Identity) -> Iterator[Peers]:
    """One connection, all exchanges at once; its HTTP archive tells of them."""

    def ask(port: int) -> list[Said]:
        url = f"{'https' if identity else 'http'}://127.0.0.1:{port}/{POLICY}"
        archive = json.loads(said_by(["nghttp", "-n", "--har=-", "-m", str(COUNT), url]))
        return [
            Said(0, asked["method"], urlsplit(asked["url"]).path, given["status"], 0, given["content"]["size"])
            for asked, given in ((one["request"], one["response"]) for one in archive["log"]["entries"])
        ]

    with nghttpd(place, identity) as (server, _):
        yield Peers(server, ask)


@contextmanager
def go(_: Path, identity: Identity) -> Iterator[Peers]:
    """Go's own client and server, several connections."""
    exchanges = mixed(COUNT)
    with serving(exchanges, identity) as server:

        def ask(port: int) -> list[Said]:
            return [
                Said(
                    one.client_port,
                    one.method,
                    one.path,
                    one.status,
                    exchanges[one.number].request_bytes,
                    one.response_bytes,
                )
                for one in server.play(CONNECTIONS, COUNT, 0, port)
            ]

        yield Peers(server.port, ask)


@contextmanager
def python(_: Path, __: Identity) -> Iterator[Peers]:
    """Sockets of Python, in cleartext: HEADERS and DATA by a call each, as Open5GS does."""

    def ask(port: int) -> list[Said]:
        lines = said_by([sys.executable, "-m", "deploy.demo_peers", "call", str(port), str(COUNT), "0"]).splitlines()
        return [told(demo_peers.Exchange(**json.loads(line))) for line in lines]

    def told(one: demo_peers.Exchange) -> Said:
        asked = demo_script.request(one.number)
        return Said(one.client_port, one.method, one.path, one.status, len(asked.body), len(asked.answer))

    with demo_peers.producers() as port:
        yield Peers(port, ask)


@contextmanager
def asyncio(_: Path, identity: Identity) -> Iterator[Peers]:
    """Python's asyncio at both ends: OpenSSL on memory, sockets elsewhere."""

    def ask(port: int) -> list[Said]:
        said_by([sys.executable, "-m", "tests.tls_peers", "call-asyncio", str(port), str(COUNT)])
        return of_python(0)

    with killed_at_last([sys.executable, "-m", "tests.tls_peers", "asyncio", *identity]) as server:
        yield Peers(port_of(server), ask)


@contextmanager
def gnutls(place: Path, identity: Identity) -> Iterator[Peers]:
    """A process that is OpenSSL's server in front and GnuTLS's client behind; the port is that behind."""
    both = place / "two_libraries"
    libraries = ["-lssl", "-lcrypto", "-lgnutls"]
    subprocess.run(["cc", "-o", both, TWO_LIBRARIES, *libraries], check=True, capture_output=True)
    blocking = [sys.executable, "-m", "tests.tls_peers", "blocking", *identity]
    with killed_at_last(blocking) as server:
        behind = port_of(server)
        with killed_at_last([str(both), *identity, str(behind)]) as proxy:
            front = port_of(proxy)

            def ask(_: int) -> list[Said]:
                said_by([sys.executable, "-m", "tests.tls_peers", "call-blocking", str(front), str(COUNT)])
                proxy.wait(60)
                return of_python(0)

            yield Peers(behind, ask)


@contextmanager
def node(_: Path, identity: Identity) -> Iterator[Peers]:
    """Node's own client and server: OpenSSL on memory, sockets of libuv."""

    def ask(port: int) -> list[Said]:
        words = ["call", str(port), str(COUNT), *(["tls"] if identity else [])]
        return [Said(**json.loads(line)) for line in said_by(["node", str(NODE_PROGRAM), *words]).splitlines()]

    with killed_at_last(["node", str(NODE_PROGRAM), "serve", *identity]) as server:
        yield Peers(port_of(server), ask)


@contextmanager
def libnghttp2(place: Path, identity: Identity) -> Iterator[Peers]:
    """TLS that is not followed, below a libnghttp2 that sends by callbacks at the server, by memory at the client."""
    program = unseen_tls.built(place)

    def ask(port: int) -> list[Said]:
        clients = [unseen_tls.calls(program, "memory", port, COUNT)] * CONNECTIONS
        return [Said(**json.loads(line)) for one in clients for line in said_by(one).splitlines()]

    with killed_at_last(unseen_tls.serves(program, "callback", identity)) as server:
        yield Peers(port_of(server), ask)


def by_library(library: str, server: str, client: str) -> Programs:
    """Name programs that call a TLS library of a wheel, each in its way (tests.foreign_tls)."""

    @contextmanager
    def running(_: Path, identity: Identity) -> Iterator[Peers]:
        def ask(port: int) -> list[Said]:
            return had(said_by(foreign_tls.calls(library, client, port, COUNT, CONNECTIONS)))

        with killed_at_last(foreign_tls.serves(library, server, identity)) as serving:
            yield Peers(port_of(serving), ask)

    return running


@contextmanager
def curl_cffi(place: Path, identity: Identity) -> Iterator[Peers]:
    """libcurl on BoringSSL; every other exchange is a POST."""
    with nghttpd(place, identity) as (server, _):

        def ask(port: int) -> list[Said]:
            words = [sys.executable, "-m", "tests.curl_cffi_client", *map(str, (port, POLICY, COUNT, CONNECTIONS))]
            return had(said_by(words))

        yield Peers(server, ask)


def had(lines: str) -> list[Said]:
    """Read what a program wrote down."""
    return [Said(**json.loads(line)) for line in lines.splitlines()]


CLEARTEXT: dict[str, Programs] = {"nghttp": nghttp, "curl": curl, "go": go, "python": python, "node": node}
TLS: dict[str, Programs] = {
    "nghttp": nghttp,
    "curl": curl,
    "go": go,
    "asyncio": asyncio,
    "gnutls": gnutls,
    "node": node,
    "libnghttp2": libnghttp2,
    "openssl11": by_library("openssl11", "plain", "counting"),
    "boringssl": by_library("boringssl", "plain", "memory"),
    "curl_cffi": curl_cffi,
}


def missing(name: str) -> str:
    """Return what programs lack here, "" if nothing; Debian's are installed."""
    for command, package in DEBIANS:
        installed(command, package)
    if name == "go":
        try:
            program()
        except NoGo as lacking:
            return str(lacking)
    elif name == "node":
        installed("node", "nodejs")
    elif name == "gnutls":
        can_build_with(OPENSSL, GNUTLS)
    return ""


@contextmanager
def all_running(identity: Identity, place: Path) -> Iterator[dict[str, Peers]]:
    """Run every server that can run here, by its name; those of TLS end with /tls."""
    with ExitStack() as ending:
        running: dict[str, Peers] = {}
        for table, shown, mark in ((CLEARTEXT, (), ""), (TLS, identity, "/tls")):
            for name, programs in table.items():
                if not missing(name):
                    own = place / name / (mark or "plain").strip("/")
                    own.mkdir(parents=True)
                    running[name + mark] = ending.enter_context(programs(own, shown))
        yield running
