"""Says what Docker's containers are called: a process that may read Docker's files, and does nothing else.

`python -m collector.docker_names DESCRIPTOR [ROOT…]`: a socket of packets, by which the supervisor asks with a
container's id and is answered with a Named; and where a host's files may lie. Docker keeps a container's name in a file
that root alone may read, beside its variables, which may be secret: they are passed over unread. It keeps
CAP_DAC_READ_SEARCH alone, and ends with the supervisor, or at once where there is no Docker.
"""

import os
import re
import socket
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from collector import privilege
from collector.monitored import NAME

ROOTS = ("/proc/1/root", "/")  # the host's, seen from a container too (pid: host); our own
DATA = "/var/lib/docker"
SETTINGS = "etc/docker/daemon.json"
ID = re.compile(rb"[0-9a-f]{64}")
MOST_BYTES = 4_194_304
MOST_TEXT = 255


class Settings(msgspec.Struct):
    """Of Docker's daemon: where it keeps containers."""

    data: str = msgspec.field(default=DATA, name="data-root")


class Config(msgspec.Struct):
    """Of a container: the image as it was asked for."""

    image: str = msgspec.field(default="", name="Image")


class Kept(msgspec.Struct):
    """What Docker keeps of a container (config.v2.json): what is needed of it."""

    name: str = msgspec.field(default="", name="Name")
    config: Config = msgspec.field(default_factory=Config, name="Config")


class Named(msgspec.Struct, frozen=True):
    """The answer; `name` "" where there is no such container."""

    container_id: str
    name: str = ""
    image: str = ""


def named(container_id: str, octets: bytes) -> Named:
    """Return what a container's file says. Raises msgspec.DecodeError or UnicodeDecodeError: it is no such file."""
    kept = msgspec.json.decode(octets, type=Kept)
    name = kept.name.removeprefix("/")
    return Named(container_id, name, kept.config.image[:MOST_TEXT]) if NAME.fullmatch(name) else Named(container_id)


def containers(roots: Iterable[str]) -> int | None:
    """Return the directory of Docker's containers, open; None where there is none."""
    for root in roots:
        data = DATA
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            data = msgspec.json.decode((Path(root) / SETTINGS).read_bytes(), type=Settings).data
        with suppress(OSError):
            return os.open(f"{root}/{data}/containers", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return None


def look(directory: int, asked: bytes) -> Named:
    """Return what is known of a container; nothing of what is no id."""
    container_id = asked.decode(errors="replace")
    if not ID.fullmatch(asked):
        return Named(container_id)
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(f"{container_id}/config.v2.json", flags, dir_fd=directory)
        with os.fdopen(file, "rb") as opened:
            if stat.S_ISREG(os.fstat(file).st_mode):
                return named(container_id, opened.read(MOST_BYTES))
    return Named(container_id)


def main() -> None:
    """Give up all rights but one, then answer until the other end closes."""
    link = socket.socket(fileno=int(sys.argv[1]))
    privilege.keep(privilege.CAP_SYS_PTRACE, privilege.CAP_DAC_READ_SEARCH)
    directory = containers(sys.argv[2:] or ROOTS)
    privilege.keep(privilege.CAP_DAC_READ_SEARCH)
    privilege.leave_no_core()
    if directory is None:
        return
    with suppress(KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        while asked := link.recv(128):
            link.send(msgspec.json.encode(look(directory, asked)))


if __name__ == "__main__":
    main()
