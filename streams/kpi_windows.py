"""The KPI fold: deltas in, windows of all lengths out; what both ends of an exchange saw is counted once.

Per producer endpoint and 10 s one sight counts (streams.kpi_group, DESIGN 8); longer windows are sums of what counted.
A window is published when the watermarks of its node passed its end, and again, its version rising, with each
correction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import msgspec

from schemas.config import Streams
from streams import kpi_state
from streams.fold import Facts, Held, Numbering, Rows, Taken
from streams.kpi_counts import IN_FLIGHT, Counts, add_bins
from streams.kpi_delta import Cell, Delta, DeltaReader
from streams.kpi_group import Endpoint, Group, Source, most_trusted
from streams.kpi_row import Key, Node, encode, kpi
from streams.kpi_sight import SLOT_US, Closed, Sight
from streams.kpi_tokens import Tokens

KPIS = "sbi.kpis"
KPIS_JSON = "sbi.kpis.json"
WIDTHS_S = (10, 60, 300, 900, 3600)
MAX_KEYS = 20_000  # kept apart in a window, the first to come; the others are one row, its operation (other)
MAX_WINDOWS = 2_000  # kept open for corrections; the one published first goes first
NAMES = (
    "deltas",
    "rows_repeated",
    "cells_too_late",  # of a window closed for ever
    "keys_folded",  # cells of keys beyond MAX_KEYS in 10 s
    "rows_folded",  # counts of keys beyond MAX_KEYS in a longer window
    "published",
    "corrected",
    "windows_evicted",
)


@dataclass(slots=True)
class Row:
    """One key of one node in one window."""

    counts: Counts = field(default_factory=Counts)
    client: dict[int, int] = field(default_factory=dict)
    vantages: dict[str, int] = field(default_factory=dict)
    version: int = 0


@dataclass(slots=True)
class Window:
    """The rows of one window, and of which nodes it was published."""

    rows: dict[tuple[Key, Node], Row] = field(default_factory=dict)
    published: dict[Node, int] = field(default_factory=dict)  # when, in append time


def _other(key: Key) -> Key:
    """Return the key of all that is not kept apart; what goes to a proxy stays by itself."""
    return Key("(other)", None, None, None, None, None, None, key.to_proxy)


class KpiWindows:
    """Adds the deltas of one partition of sbi.kpi-deltas up to windows (streams.fold.Fold)."""

    def __init__(self, facts: Facts, rules: Streams) -> None:
        self.facts = facts
        self.rules = rules
        self.taken = Taken()
        self.numbering = Numbering()
        self.sights: dict[Node, Sight] = {}
        self.groups: dict[int, dict[Endpoint, Group]] = {}
        self.windows: dict[tuple[int, int], Window] = {}
        self.published: dict[tuple[int, int], int] = {}  # when last, in that order
        self.closed: dict[tuple[Node, int], Closed] = {}
        self.tokens = Tokens()
        self.counts = dict.fromkeys(NAMES, 0)
        self._reader = DeltaReader()
        self._dirty: dict[tuple[int, int, Key, Node], None] = {}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message (streams.fold.Fold)."""
        if schema is not None and body:
            batch = self._reader.read(schema, body)
            repeated = self.taken.fresh(batch.input_partition, batch.first_number, len(batch.deltas))
            self.counts["rows_repeated"] += repeated
            for delta in batch.deltas[repeated:]:
                self._take(delta)
        out = self._corrections() + self._due(append_time_ms)
        self._close(append_time_ms)
        return self._rows(out)

    def pass_over(self) -> None:
        """Accept that each writer's numbers jump once."""
        self.taken.forgiven = set()

    def held(self) -> Held:
        """Return what is kept open, and the oldest promise of a living collector (streams.fold.Holding)."""
        promises = [reached_us for sight in self.sights.values() for reached_us in sight.living.values() if reached_us]
        held = {"windows": len(self.windows), "keys": sum(map(len, self.groups.values())), "nodes": len(self.sights)}
        return Held(held, min(promises, default=None))

    def dump(self) -> bytes:
        """Return the state."""
        return kpi_state.dump(self)

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        kpi_state.load(self, state)

    # Deltas in

    def _take(self, delta: Delta) -> None:
        self.counts["deltas"] += 1
        node = Node(delta.site, delta.node)
        sight = self.sights.setdefault(node, Sight())
        sight.since_us = min(sight.since_us, delta.since_us)
        for start_us, blind_us in delta.blind:
            self._was_blind(node, sight, start_us // SLOT_US, blind_us)
        for cell in delta.cells:
            self._add(node, cell)
        shard = f"{delta.shard}/{delta.incarnation}"
        if delta.over:
            sight.living.pop(shard, None)
        else:
            sight.living[shard] = max(delta.watermark_us, sight.living.get(shard, 0))

    def _was_blind(self, node: Node, sight: Sight, slot: int, blind_us: int) -> None:
        sight.was_blind(slot, blind_us)
        for endpoint, group in self.groups.get(slot, {}).items():
            if any(one == node for one, _ in group.sources):
                self._choose(slot, endpoint, group)
                self._touch(slot, endpoint[0], node)

    def _add(self, node: Node, cell: Cell) -> None:
        slot = cell.window_start_us // SLOT_US
        if slot in self._closed(node, 10):
            self.counts["cells_too_late"] += 1
            return
        self.tokens.count(cell.key, cell.window_start_us, cell.counts)
        groups = self.groups.setdefault(slot, {})
        endpoint = cell.key, cell.server_address, cell.server_port
        if endpoint not in groups and len(groups) >= MAX_KEYS:
            self.counts["keys_folded"] += 1
            endpoint = _other(cell.key), "", 0
        group = groups.setdefault(endpoint, Group())
        source = node, cell.vantage
        if source not in group.sources:
            group.sources[source] = Counts()
            self._meet(slot, endpoint, group, source)
        group.sources[source].add(cell.counts)
        self._count(slot, endpoint[0], group, source, cell.counts, 1)
        if len(group.sources) > 1 and cell.vantage == "wire":
            self._choose(slot, endpoint, group)

    def _meet(self, slot: int, endpoint: Endpoint, group: Group, source: Source) -> None:
        """Decide whether a source without counts yet will count."""
        extended = group.is_extended_by(endpoint, source, lambda node: self.sights[node].saw_all(slot))
        if extended is None:
            self._choose(slot, endpoint, group)
        elif extended:
            group.chosen += (source,)
            group.counted.add(source)

    def _choose(self, slot: int, endpoint: Endpoint, group: Group) -> None:
        """Let the most trusted sight of a group count, and take back what counted before."""
        best = most_trusted(endpoint, group, lambda node: self.sights[node].saw_all(slot))
        if best == group.chosen:
            return
        for sign in (-1, 1):
            for source, counts in group.sources.items():
                self._count(slot, endpoint[0], group, source, counts, sign)
            group.choose(best)

    def _count(self, slot: int, key: Key, group: Group, source: Source, counts: Counts, sign: int) -> None:
        """Add to the rows what one source of a group says, as far as it counts."""
        node, vantage = source
        beside = vantage == "client" and bool(group.chosen) and group.chosen[0][1] == "server"
        if source not in group.counted and not beside:
            return
        if beside:
            node = group.chosen[0][0]
        requests, in_flight = sign * counts.requests, sign * counts.counters[IN_FLIGHT]
        for width_s in WIDTHS_S:
            row = self._row(width_s, slot, key, node)
            if row is None:
                continue
            if beside:
                add_bins(row.client, counts.latencies, sign)
            else:
                row.counts.add(counts, sign)
                if (slot + 1) * 10 % width_s:  # in flight at the window's end are those of its last slot
                    row.counts.counters[IN_FLIGHT] -= in_flight
                row.vantages[vantage] = row.vantages.get(vantage, 0) + requests

    def _row(self, width_s: int, slot: int, key: Key, node: Node) -> Row | None:
        """Return the row of a key in the window of `width_s` around a slot; None where it is closed."""
        number = slot * 10 // width_s
        if number in self._closed(node, width_s):
            return None
        start_us = number * width_s * 1_000_000
        window = self.windows.get((width_s, start_us))
        if window is None:
            window = self.windows[width_s, start_us] = Window()
        row = window.rows.get((key, node))
        if row is None and len(window.rows) >= MAX_KEYS and key != _other(key):
            self.counts["rows_folded"] += 1
            return self._row(width_s, slot, _other(key), node)
        if row is None:
            row = window.rows[key, node] = Row()
            pending = self.sights[node].pending
            if node not in window.published and (width_s, start_us) not in pending:
                pending.append((width_s, start_us))
        if node in window.published:
            self._dirty[width_s, start_us, key, node] = None
        return row

    def _touch(self, slot: int, key: Key, node: Node) -> None:
        """Note that what is said of a slot's windows changed, but not its counts."""
        for width_s in WIDTHS_S:
            start_us = slot * 10 // width_s * width_s * 1_000_000
            window = self.windows.get((width_s, start_us))
            if window is None or node not in window.published:
                continue
            here = key if (key, node) in window.rows else _other(key)
            if (here, node) in window.rows:
                self._dirty[width_s, start_us, here, node] = None

    def _closed(self, node: Node, width_s: int) -> Closed:
        closed = self.closed.get((node, width_s))
        if closed is None:
            closed = self.closed[node, width_s] = Closed()
        return closed

    # Windows out

    def _corrections(self) -> list[dict[str, Any]]:
        dirty, self._dirty = self._dirty, {}
        self.counts["corrected"] += len(dirty)
        return [self._record(*one) for one in dirty]

    def _due(self, append_time_ms: int) -> list[dict[str, Any]]:
        """Publish the windows whose end the watermarks of their node have passed."""
        out = []
        for node, sight in self.sights.items():
            if not sight.pending:
                continue
            ready_us = sight.ready_us()
            due = [one for one in sight.pending if one[1] + one[0] * 1_000_000 <= ready_us]
            if not due:
                continue
            sight.pending = [one for one in sight.pending if one[1] + one[0] * 1_000_000 > ready_us]
            for width_s, start_us in sorted(due, key=lambda one: (one[1] + one[0] * 1_000_000, one[0])):
                window = self.windows[width_s, start_us]
                window.published[node] = append_time_ms
                self.published.pop((width_s, start_us), None)
                self.published[width_s, start_us] = append_time_ms
                keys = [key for key, seen in window.rows if seen == node]
                self.counts["published"] += len(keys)
                out += [self._record(width_s, start_us, key, node) for key in keys]
        return out

    def _record(self, width_s: int, start_us: int, key: Key, node: Node) -> dict[str, Any]:
        row = self.windows[width_s, start_us].rows[key, node]
        row.version += 1
        seen = [vantage for vantage, requests in row.vantages.items() if requests]
        vantage = seen[0] if len(seen) == 1 else "mixed" if seen else next(iter(row.vantages), "wire")
        blind_us = self.sights[node].blind_us(width_s, start_us)
        counts, expected = row.counts, self.tokens.are_expected(key)
        return kpi(width_s, start_us, row.version, key, node, vantage, counts, row.client, blind_us, expected)

    def _close(self, append_time_ms: int) -> None:
        """Close for ever what was published long enough ago, and what exceeds the bound."""
        for place, when in list(self.published.items()):
            if append_time_ms - when <= self.rules.correction_ms:
                break
            if not any(place in self.sights[node].pending for node in self._nodes(place)):
                self._end(place)
        while len(self.windows) > MAX_WINDOWS:
            self.counts["windows_evicted"] += 1
            self._end(next(iter(self.published or self.windows)))

    def _nodes(self, place: tuple[int, int]) -> dict[Node, None]:
        return dict.fromkeys(node for _, node in self.windows[place].rows)

    def _end(self, place: tuple[int, int]) -> None:
        width_s, start_us = place
        for node in self._nodes(place):
            self._closed(node, width_s).add(start_us // (width_s * 1_000_000))
            if place in self.sights[node].pending:
                self.sights[node].pending.remove(place)
        del self.windows[place]
        self.published.pop(place, None)
        if width_s == 10:
            self.groups.pop(start_us // SLOT_US, None)

    def _rows(self, records: list[dict[str, Any]]) -> list[Rows]:
        found: dict[tuple[str, int], tuple[list[bytes], list[bytes]]] = {}
        for record in records:
            key = record["kpi_id"].encode()
            for topic, encoded in ((KPIS, encode), (KPIS_JSON, msgspec.json.encode)):
                if topic in self.facts.outputs:
                    place = topic, crc32(key) % self.facts.outputs[topic]
                    octets, keys = found.setdefault(place, ([], []))
                    octets.append(encoded(record))
                    keys.append(key)
        return [self.numbering.rows(*place, *both) for place, both in sorted(found.items())]
