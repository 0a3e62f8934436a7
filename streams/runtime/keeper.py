"""Where states are kept and found: the state topic holds them, the group's commit points to the one that counts."""

from collections.abc import Callable, Mapping

from schemas.topics import state_topic
from streams.runtime.link import Broken, Commit, Link
from streams.runtime.reader import Reader
from streams.runtime.snapshot import Snapshot, Torn, gathered, parts


class Keeper:
    """Keeps the states of one stage; `outputs`: how many partitions its output topics have now."""

    def __init__(self, stage: str, outputs: Mapping[str, int], link: Link, reader: Reader) -> None:
        self._topic = state_topic(stage)
        self._outputs = dict(outputs)
        self._link = link
        self._reader = reader

    async def load(self, partition: int) -> Snapshot | None:
        """Return where to go on, None where nothing was ever kept. Raises Broken where it cannot be read.

        Without a commit (the first was never made, or the coordinator forgot it) the newest state is as good: it was
        written behind all its rows, and the same messages give the same rows again.
        """
        commit = await self._link.committed(partition)
        if commit is None or not commit.pointer:
            found = await newest(self._reader, self._topic, partition)
        else:
            found = await _at(self._reader, self._topic, partition, int(commit.pointer))
            if found.offset != commit.offset:
                raise Broken(f"{self._topic} {partition} holds a state of {found.offset}, committed is {commit.offset}")
        if found is not None and found.outputs != self._outputs:
            seen = f"{self._topic} {partition} was kept with {found.outputs}, there are {self._outputs}"
            raise Broken(f"the output topics changed their number of partitions: {seen}")
        return found

    async def keep(self, snapshots: Mapping[int, Snapshot], live: Callable[[int], bool]) -> set[int]:
        """Write states and commit them; return the partitions committed: those still `live`, if the group agrees."""
        pointers = {partition: await self._write(partition, one) for partition, one in snapshots.items()}
        commits = {
            partition: Commit(snapshots[partition].offset, str(pointer))
            for partition, pointer in pointers.items()
            if live(partition)
        }
        return set(commits) if commits and await self._link.commit(commits) else set()

    async def _write(self, partition: int, snapshot: Snapshot) -> int:
        before, head = parts(snapshot)
        sent = [await self._link.send(self._topic, partition, None, part) for part in before]
        offsets = [await delivered for delivered in sent]
        return await (await self._link.send(self._topic, partition, None, head(offsets)))


async def newest(reader: Reader, topic: str, partition: int) -> Snapshot | None:
    """Return the last state in a partition of a state topic, None where there is none. Raises Broken."""
    for offset, value in await reader.newest(topic, partition):
        if value[:1] == b"S":
            return await _at(reader, topic, partition, offset)
    return None


async def _at(reader: Reader, topic: str, partition: int, offset: int) -> Snapshot:
    async def read(at: int) -> bytes:
        return await reader.at(topic, partition, at)

    try:
        return await gathered(await read(offset), read)
    except Torn as torn:
        raise Broken(f"{topic} {partition} holds no state at {offset}") from torn
