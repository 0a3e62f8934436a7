"""`sbiscope doctor --inventory`: tables of sockets become talks; real ones are found in any network namespace."""

import os
import shutil
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.tcp_table import LISTEN, TcpSocket, sockets_in
from collector.workload import Workload
from deploy.inventory import Inventory, Talk, inventory, lines

ROOT = Path(__file__).parent.parent
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   {}: {} {} {:02X} 00000000:00000000 00:00000000 00000000     0        0 {} 1 0000000000000000 100 0 0 10 0\n"
AMF = Workload("/usr/bin/amf", "3f4a1d8c" * 8, "amf", "amf:2.7", "u", "amf-0", "core")


def end(address: str, port: int) -> str:
    """Return an end as the kernel prints it on this machine."""
    packed = ip_address(address).packed
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed)) + f":{port:04X}"


def table(*sockets: TcpSocket) -> str:
    return HEAD + "".join(
        LINE.format(number, end(s.local_address, s.local_port), end(s.remote_address, s.remote_port), s.state, s.inode)
        for number, s in enumerate(sockets)
    )


def test_addresses_are_in_the_order_of_the_machine() -> None:
    text = HEAD + "   0: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n"
    if sys.byteorder == "little":
        assert list(sockets_in(text)) == [TcpSocket("127.0.0.1", 8_080, "127.0.0.2", 50_000, 1, 77)]


def test_an_ipv4_address_in_a_socket_of_ipv6_is_one() -> None:
    (found,) = sockets_in(table(TcpSocket("::ffff:10.1.0.7", 80, "::1", 9, 1, 5)))
    assert (found.local_address, found.remote_address) == ("10.1.0.7", "::1")


ADDRESSES = st.ip_addresses().filter(lambda one: getattr(one, "ipv4_mapped", None) is None).map(str)


@given(
    st.lists(
        st.builds(
            TcpSocket,
            *[ADDRESSES, st.integers(0, 65_535)] * 2,
            st.integers(1, 12),
            st.integers(0, 2**32),
        ).filter(lambda one: (":" in one.local_address) == (":" in one.remote_address))
    )
)  # fmt: skip
def test_what_the_kernel_prints_is_read_back(sockets: list[TcpSocket]) -> None:
    assert list(sockets_in(table(*sockets))) == sockets


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    list(sockets_in(text))


class Node:
    """A /proc of files."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def process(self, pid: int, name: str, *inodes: int) -> None:
        folder = self.place / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "ns").mkdir()
        (folder / "net").mkdir()
        (folder / "comm").write_text(name + "\n")
        (folder / "ns" / "net").write_text("")
        for descriptor, inode in enumerate(inodes):
            (folder / "fd" / str(descriptor)).symlink_to(f"socket:[{inode}]")
        (folder / "fd" / "99").symlink_to("/dev/null")

    def sockets(self, pid: int, *sockets: TcpSocket) -> None:
        (self.place / str(pid) / "net" / "tcp").write_text(table(*sockets))

    def inventory(self) -> Inventory:
        return inventory(lambda caller: AMF if caller.process_id == 7 else Workload(), self.place)


def test_who_serves_is_told_by_who_listens(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.process(7, "amf", 1, 2, 3, 4)
    node.sockets(
        7,
        TcpSocket("10.1.0.7", 7_777, "0.0.0.0", 0, LISTEN, 1),
        TcpSocket("10.1.0.7", 7_777, "10.1.0.8", 40_000, 1, 2),
        TcpSocket("10.1.0.7", 7_777, "10.1.0.8", 40_001, 8, 3),
        TcpSocket("10.1.0.7", 50_000, "10.1.0.9", 7_777, 1, 4),
        TcpSocket("10.1.0.7", 50_001, "10.1.0.9", 7_777, 6, 0),  # TIME_WAIT: nobody's, and over
    )
    assert node.inventory().talks == {
        Talk("amf", "core/amf-0/amf", "listening", "10.1.0.7:7777", ""): 1,
        Talk("amf", "core/amf-0/amf", "server", "10.1.0.7:7777", "10.1.0.8"): 2,
        Talk("amf", "core/amf-0/amf", "client", "10.1.0.7", "10.1.0.9:7777"): 1,
    }


def test_each_namespace_has_its_own_table_and_a_process_its_own_name(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.process(7, "amf", 1)
    node.process(8, "\x1b[31msmf", 2)
    node.sockets(7, TcpSocket("10.1.0.7", 50_000, "10.1.0.9", 7_777, 1, 1))
    node.sockets(
        8, TcpSocket("10.1.0.8", 50_000, "10.1.0.9", 7_777, 1, 2), TcpSocket("10.1.0.8", 1, "10.1.0.9", 2, 1, 3)
    )
    shown = list(lines(node.inventory()))
    assert shown == [
        "process   workload        role    here      peer           connections",
        "\N{REPLACEMENT CHARACTER}[31msmf                  client  10.1.0.8  10.1.0.9:7777  1",
        "?                         client  10.1.0.8  10.1.0.9:2     1",
        "amf       core/amf-0/amf  client  10.1.0.7  10.1.0.9:7777  1",
    ]  # fmt: skip


def test_what_may_not_be_looked_into_is_said() -> None:
    *_, last = lines(Inventory(Counter(), 3))
    assert last.startswith("3 processes may not be looked into")


SERVING = """
import socket, sys
served = socket.create_server(("127.0.0.1", 0))
asking = [socket.create_connection(served.getsockname()) for _ in range(3)]
taken = [served.accept()[0] for _ in range(3)]
print(served.getsockname()[1], flush=True)
sys.stdin.read()
"""


# In a new network namespace: SIOCSIFFLAGS sets IFF_UP, then the rest of the command runs.
LOOPBACK_UP = """
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH", b"lo", 1))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@contextmanager
def serving(*before: str) -> Iterator[int]:
    """Have a process talk to itself over three connections; give its port."""
    command = [*before, sys.executable, "-c", SERVING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def shown() -> list[list[str]]:
    command = [sys.executable, "-m", "deploy.cli", "doctor", "--inventory"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def check(rows: list[list[str]], port: int) -> None:
    here = f"127.0.0.1:{port}"
    found = [row[-4:] for row in rows if here in row and "listening" not in row]
    assert sorted(found) == [["client", "127.0.0.1", here, "3"], ["server", here, "127.0.0.1", "3"]]
    assert [row[-3:] for row in rows if "listening" in row and here in row] == [["listening", here, "1"]]


def test_this_machine_is_shown_as_it_is() -> None:
    with serving() as port:
        check(shown(), port)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_a_network_namespace_of_its_own_is_seen_from_outside() -> None:
    with serving("unshare", "-n", sys.executable, "-c", LOOPBACK_UP) as port:
        check(shown(), port)
