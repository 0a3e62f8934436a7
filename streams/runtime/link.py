"""What a stage and the worker around it ask of one another; the worker is the one that knows Faust."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the input topic; `append_ms` is the broker's time."""

    partition: int
    offset: int
    append_ms: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """What the group's coordinator keeps of a partition: the next offset, and where the state as of it lies."""

    offset: int
    pointer: str


class Link(Protocol):
    """The worker's side: one group's hold on its input topic, and a way out. Topics are named without prefix."""

    async def committed(self, partition: int) -> Commit | None:
        """Return what the group committed of an input partition."""
        ...

    async def commit(self, commits: Mapping[int, Commit]) -> bool:
        """Commit by partition, fenced by the group; false where it did not take it: a later commit will do."""
        ...

    async def log_start(self, partition: int) -> int:
        """Return the first offset of the input partition that the log still has."""
        ...

    async def send(self, topic: str, partition: int, key: bytes | None, value: bytes) -> Awaitable[int]:
        """Queue a message, in order; what is returned gives its offset once it is delivered, or its failure."""
        ...

    def assigned(self) -> frozenset[int]:
        """Return the input partitions held now."""
        ...

    def log_end(self, partition: int) -> int | None:
        """Return the end of the input partition as the last fetch had it, None before the first."""
        ...


class Stage(Protocol):
    """The stage's side. Calls never overlap, except `revoke`, which may come while `take` waits."""

    async def run(self, link: Link) -> None:
        """Do what is due by the clock until `finish`: ship, check-point, tick. It is never cancelled while it ships."""
        ...

    async def take(self, message: Message) -> None:
        """Take the next message of a partition."""
        ...

    async def revoke(self) -> None:
        """Let go of all partitions: what was assigned is not ours, or comes again from the commit on."""
        ...

    async def finish(self) -> None:
        """End in order: all that was taken is delivered and committed, as far as the broker lets it."""
        ...


class Broken(Exception):  # noqa: N818 (what the log or the process is)
    """The process must end: going on would lose rows or give wrong ones. The text is one line for the user."""
