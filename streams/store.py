"""How rows get into a ClickHouse table: one synchronous insert, bad rows told from an outage, an outage sat out."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from clickhouse_connect.driver.client import Client
from zstandard import ZstdCompressor

from streams.clickhouse import FAILURES, is_bad_rows, rows, said
from streams.reframe import Layout
from streams.sink import BadRows, Block, Poisoned, Store

SETTINGS = {
    "async_insert": 0,  # the return of the insert is the receipt
    "distributed_foreground_insert": 1,  # on a cluster too: of the shards, not of the server's queue for them
    "optimize_on_insert": 0,  # a block is not merged within itself before it is stored: merges and FINAL do that
    "throw_on_max_partitions_per_insert_block": 0,  # captures of many days may come in one block
    "input_format_avro_allow_missing_fields": 1,  # an older writer lacks columns of today
}


FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Table:
    """The entrance of one table; its columns are asked for once a writer's schema."""

    def __init__(self, client: Client, name: str, compressed: bool = False) -> None:
        """`client`: one that this table alone uses, its database chosen; `compressed`: for one across a network."""
        self._client = client
        self._name = name
        self._compressor = ZstdCompressor(1) if compressed else None
        self._columns: dict[Layout, list[str]] = {}

    def store(self, layout: Layout, pieces: Iterable[bytes]) -> None:
        """Insert one container; returns when it is stored. Raises BadRows, or what the client raised in an outage.

        It leaves piece by piece: the client would copy a whole one behind its statement.
        """
        try:
            columns = self._columns.get(layout) or self._shared(layout)
            encoding = "zstd" if self._compressor else None
            self._client.raw_insert(self._name, columns, self._leaving(pieces), SETTINGS, "Avro", encoding)
        except FAILURES as error:
            if is_bad_rows(error):
                raise BadRows(said(error)) from error
            self._columns.clear()  # the table may have changed
            raise

    def _leaving(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        if self._compressor is None:
            yield from pieces
            return
        compressing = self._compressor.compressobj()
        for piece in pieces:
            if squeezed := compressing.compress(piece):
                yield squeezed
        yield compressing.flush()

    def _shared(self, layout: Layout) -> list[str]:
        """Return the columns that both sides have: a newer writer's further fields are read past."""
        sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
        ours = {name for (name,) in rows(self._client, sql, {"table": self._name})}
        if not ours:
            raise ConnectionError(f"there is no table {self._name} yet: sbiscope schema creates it")
        self._columns[layout] = [name for name in layout.columns if name in ours]
        return self._columns[layout]


async def insist(
    block: Block,
    store: Store,
    tell: Callable[[str], None],
    failed: Callable[[], None] = lambda: None,
    server: str = "ClickHouse",
) -> list[Poisoned]:
    """Store `block`, trying again for ever while the server is away; `tell` hears when an outage begins and ends.

    `failed` is called at each failure.

    Returns the messages that cannot be stored. Kafka is the buffer: whoever calls takes no more than it can hold.
    """
    pause = FIRST_PAUSE_S
    while True:
        try:
            poisoned = await asyncio.to_thread(block.store, store)
        except FAILURES as error:
            failed()
            if pause == FIRST_PAUSE_S:
                tell(f"{server} is away, rows wait in Kafka: {said(error)}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        else:
            if pause > FIRST_PAUSE_S:
                tell(f"{server} is back")
            return poisoned
