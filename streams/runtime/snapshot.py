"""How a state is written to the state topic and found again: large ones in parts, the last one names the others."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

PART_BYTES = 900_000  # below Kafka's default limit of a message, before compression
HEAD, PART = b"S", b"P"


class Torn(Exception):  # noqa: N818 (what the bytes are)
    """The message is no head of a snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A partition's state as of `offset`, the next to be taken; every row before it has been delivered.

    `quarantined`, `lost`: messages so far that could not be read, and that retention took before they were read.
    `outputs`: how many partitions each output topic had. `state`: what the stage itself gave. `alarm`: the version of
    the alert that a sink stopped, `raised_us`: since when it stands.
    """

    offset: int
    state: bytes
    quarantined: int = 0
    lost: int = 0
    outputs: dict[str, int] = field(default_factory=dict)
    alarm: int = 0
    raised_us: int = 0


def parts(snapshot: Snapshot) -> tuple[list[bytes], Callable[[Sequence[int]], bytes]]:
    """Return the messages before the head, and what makes the head once their offsets are known."""
    state = snapshot.state
    cut = max(0, len(state) - 1) // PART_BYTES * PART_BYTES
    before = [PART + state[at : at + PART_BYTES] for at in range(0, cut, PART_BYTES)]

    def head(offsets: Sequence[int]) -> bytes:
        said = {
            "offset": snapshot.offset,
            "quarantined": snapshot.quarantined,
            "lost": snapshot.lost,
            "outputs": snapshot.outputs,
            "alarm": snapshot.alarm,
            "raised_us": snapshot.raised_us,
            "parts": list(offsets),
        }
        return HEAD + json.dumps(said).encode() + b"\n" + state[cut:]

    return before, head


async def gathered(head: bytes, read: Callable[[int], Awaitable[bytes]]) -> Snapshot:
    """Return the snapshot whose last message is `head`; `read` fetches the message at an offset. Raises Torn."""
    said, newline, last = head[1:].partition(b"\n")
    if head[:1] != HEAD or not newline:
        raise Torn
    facts = json.loads(said)
    before = []
    for offset in facts["parts"]:
        part = await read(offset)
        if part[:1] != PART:
            raise Torn
        before.append(part[1:])
    state = b"".join([*before, last])
    alarm = facts.get("alarm", 0), facts.get("raised_us", 0)
    return Snapshot(facts["offset"], state, facts["quarantined"], facts["lost"], facts["outputs"], *alarm)
