"""Whether a stack is up, by which process, and what it tells of its parts."""

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from deploy.stack.layout import Layout
from schemas.refusal import Refusal

# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct("hhqqi4x")


@dataclass(slots=True)
class PartState:
    """One part as the supervisor sees it; `port` 0 = it listens on none."""

    name: str
    state: str
    port: int = 0
    pid: int = 0
    restarts: int = 0
    told: str = ""


@dataclass(slots=True)
class StackState:
    """What the supervisor tells; an address is empty where that server is not the stack's own."""

    bootstrap: str
    clickhouse_url: str
    ready: bool = False
    failed: str = ""
    parts: list[PartState] = field(default_factory=list)


def holder(place: Layout) -> int | None:
    """Return the process that holds the stack, None if there is none; asks the kernel, believes no file."""
    try:
        with place.lock.open("rb") as file:
            asked = _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal("cannot look at the stack's lock", f"{place.lock}: {error.strerror}", "is it yours?") from error
    return None if kind == fcntl.F_UNLCK else pid


@contextmanager
def held(place: Layout) -> Iterator[None]:
    """Hold the stack; the lock goes with the process. Raises Refusal when another one has it."""
    with place.lock.open("wb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refusal("a stack is up already", str(place.root), "see it with: sbiscope status") from error
        yield


def write(place: Layout, state: StackState) -> None:
    """Tell the state, whole or not at all."""
    beside = place.state.with_suffix(".new")
    beside.write_text(json.dumps(asdict(state), indent=1) + "\n")
    beside.replace(place.state)


def running(place: Layout) -> StackState | None:
    """Return what the living supervisor tells, None when no stack is up (or none has told anything yet)."""
    return None if holder(place) is None else last(place)


def last(place: Layout) -> StackState | None:
    """Return what a supervisor told last, whether it lives or not; None where nothing can be read."""
    try:
        told = json.loads(place.state.read_text())
        parts = [PartState(**part) for part in told.pop("parts")]
        return StackState(**told, parts=parts)
    except (OSError, ValueError, TypeError, KeyError):
        return None
