"""The KPI fold: deltas in, windows of all lengths out; what both ends of an exchange saw is counted once.

Per consumer and 10 s one sight counts (streams.kpi_slots, DESIGN 8); longer windows are sums of what counted.
A window is published when the watermarks of its node passed its end, and again, its version rising, with each
correction.
"""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import msgspec

from schemas.config import Streams
from streams import kpi_state
from streams.fold import Facts, Held, Numbering, Rows, Taken
from streams.kpi_counts import IN_FLIGHT, Counts, add_bins, add_to
from streams.kpi_delta import Cell, Delta, DeltaReader
from streams.kpi_elsewhere import Elsewhere
from streams.kpi_quiet import MINUTE_S, MINUTE_US, Quiet
from streams.kpi_row import Key, Node, encode, kpi, other
from streams.kpi_sight import FOREVER_US, SLOT_US, Closings, Sight
from streams.kpi_slots import Slots
from streams.kpi_tokens import Tokens
from streams.kpi_window import Row, Window

KPIS = "sbi.kpis"
KPIS_JSON = "sbi.kpis.json"
WIDTHS_S = (10, 60, 300, 900, 3600)
MAX_KEYS = 20_000  # kept apart in a window, the first to come; the others are one row, its operation (other)
PATIENCE = 6  # times `correction_ms`: how long a window waits at most for living nodes that have not come to it yet
MAX_MET = 20_000  # rows around a slot that are at hand
MAX_WINDOWS = 2_000  # kept open for corrections; the one published first goes first
NAMES = (
    "deltas",
    "rows_repeated",
    "cells_too_late",  # of a window closed for ever
    "keys_folded",  # cells beyond what is kept apart in 10 s
    "rows_folded",  # counts of keys beyond MAX_KEYS in a longer window
    "published",
    "corrected",
    "windows_evicted",
    "quiet_minutes",  # rows of nothing
)

Place = tuple[int, int, Key, Node]  # a row's window, by length in seconds and start, and whose it is there
Found = tuple[Place, Window, Row]


def _ends_of(node: Node) -> Node:
    """Return what stands for all of a site's nodes that see ends of connections.

    Who comes to 10 s when they were closed for others may tell what those told already; a capture tells of its own.
    """
    return Node(node.site, "")


class KpiWindows:
    """Adds the deltas of one partition of sbi.kpi-deltas up to windows (streams.fold.Fold)."""

    def __init__(self, facts: Facts, rules: Streams, generation: str = "") -> None:
        """Begin with nothing; `generation`: the prefix of the topics (streams.kpi_row.kpi_id)."""
        self.facts = facts
        self.rules = rules
        self._generation = generation
        self.taken = Taken()
        self.numbering = Numbering()
        self.sights: dict[Node, Sight] = {}
        self.slots = Slots(self)
        self.windows: dict[tuple[int, int], Window] = {}
        self.published: dict[tuple[int, int], int] = {}  # when last, in that order
        self.closed = Closings()
        self.tokens = Tokens()
        self.quiet = Quiet()
        self.counts = dict.fromkeys(NAMES, 0)
        self._reader = DeltaReader()
        self._dirty: dict[Place, None] = {}
        self._met: dict[
            tuple[int, Node], dict[Key, tuple[Found, ...]]
        ] = {}  # not part of the state: what was looked up
        self._many_met = 0
        self._moved: dict[Node, None] = {}  # of which windows may be due when the message is over

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message (streams.fold.Fold)."""
        if schema is not None and body:
            batch = self._reader.read(schema, body)
            repeated = self.taken.fresh(batch.input_partition, batch.first_number, len(batch.deltas))
            self.counts["rows_repeated"] += repeated
            for delta in batch.deltas[repeated:]:
                self._take(delta)
            self.slots.decide()
            self.counts["keys_folded"] = self.slots.folded
            self._tell_quiet()
        out = self._corrections() + self._due(append_time_ms)
        self._close(append_time_ms)
        return self._rows(out)

    def pass_over(self) -> None:
        """Accept that each writer's numbers jump once."""
        self.taken.forgiven = set()

    def held(self) -> Held:
        """Return what is kept open, and the oldest promise of a living collector (streams.fold.Holding)."""
        promises = [reached_us for sight in self.sights.values() for reached_us in sight.living.values() if reached_us]
        held = {"windows": len(self.windows), "keys": self.slots.cells(), "nodes": len(self.sights)}
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
        sight = self._sight(node)
        self._moved[node] = None
        sight.since_us = min(sight.since_us, delta.since_us)
        shard = f"{delta.shard}/{delta.incarnation}"
        if delta.over:
            sight.living.pop(shard, None)
        else:
            if shard not in sight.living:
                self.quiet.begins(node, delta.since_us)
            sight.living[shard] = max(delta.watermark_us, sight.living.get(shard, 0))
        for start_us, blind_us in delta.blind:
            self._was_blind(node, sight, start_us // SLOT_US, blind_us)
        ready_us = sight.ready_us()
        ends = _ends_of(node)
        for cell in delta.cells:
            self._add(node, ends, cell, ready_us)
        self.slots.reached(node, ready_us)

    def _was_blind(self, node: Node, sight: Sight, slot: int, blind_us: int) -> None:
        sight.was_blind(slot, blind_us)
        for key in self.slots.seen_by(slot, node):
            self._touch(slot, key, node)

    def _add(self, node: Node, ends: Node, cell: Cell, ready_us: int) -> None:
        slot = cell.window_start_us // SLOT_US
        all_ends = cell.vantage != "wire" and self.closed.has(ends, 10, slot)
        if all_ends or self.closed.has(node, 10, slot):
            self.counts["cells_too_late"] += 1
            return
        self.tokens.count(cell.key, cell.window_start_us, cell.counts)
        self.slots.add(slot, node, cell, ready_us)

    def add(self, slot: int, key: Key, node: Node, vantage: str, counts: Counts, sign: int) -> None:
        """Add the counts of a sight to the windows around a slot (streams.kpi_slots.Sums)."""
        requests, in_flight = sign * counts.requests, sign * counts.counters[IN_FLIGHT]
        around = self._rows_around(slot, key, node)
        add_to([row.counts for _, _, row in around], counts, sign)
        for place, window, row in around:
            if in_flight and (slot + 1) * 10 % place[0]:  # in flight at its end are those of its last slot
                row.counts.counters[IN_FLIGHT] -= in_flight
            row.vantages[vantage] = row.vantages.get(vantage, 0) + requests
            if window.published and node in window.published:
                self._dirty[place] = None

    def add_beside(self, slot: int, key: Key, node: Node, counts: Counts, sign: int) -> None:
        """Add durations of the client end (streams.kpi_slots.Sums)."""
        for place, window, row in self._rows_around(slot, key, node):
            add_bins(row.client, counts.latencies, sign)
            if node in window.published:
                self._dirty[place] = None

    def _rows_around(self, slot: int, key: Key, node: Node) -> tuple[Found, ...]:
        """Return the rows of a key in the windows around a slot, those that are open; looked up once where all are."""
        met = self._met.get((slot, node))
        if met is None:
            met = self._met[slot, node] = {}
        found = met.get(key)
        if found is None:
            rows = (self._row(width_s, slot, key, node) for width_s in WIDTHS_S)
            found = tuple(row for row in rows if row is not None)
            if len(found) == len(WIDTHS_S) and all(place[2] is key for place, _, _ in found):
                if self._many_met >= MAX_MET:
                    self._forget_met()
                self._met.setdefault((slot, node), {})[key] = found
                self._many_met += 1
        return found

    def _forget_met(self) -> None:
        self._met.clear()
        self._many_met = 0

    def _row(self, width_s: int, slot: int, key: Key, node: Node) -> Found | None:
        """Return the row of a key in the window of `width_s` around a slot; None where it is closed."""
        number = slot * 10 // width_s
        if self.closed.has(node, width_s, number):
            return None
        start_us = number * width_s * 1_000_000
        window = self.windows.get((width_s, start_us))
        if window is None:
            window = self.windows[width_s, start_us] = Window()
        row = window.rows.get(node, {}).get(key)
        if row is None and window.many >= MAX_KEYS and key != other(key):
            self.counts["rows_folded"] += 1
            return self._row(width_s, slot, other(key), node)
        if row is None:
            row = Row()
            window.add(key, node, row)
            pending = self._sight(node).pending
            if node not in window.published and (width_s, start_us) not in pending:
                pending.append((width_s, start_us))
                self._moved[node] = None
        return (width_s, start_us, key, node), window, row

    def _touch(self, slot: int, key: Key, node: Node) -> None:
        """Note that what is said of a slot's windows changed, but not its counts."""
        for width_s in WIDTHS_S:
            start_us = slot * 10 // width_s * width_s * 1_000_000
            window = self.windows.get((width_s, start_us))
            if window is None or node not in window.published:
                continue
            rows = window.rows.get(node, {})
            here = key if key in rows else other(key)
            if here in rows:
                self._dirty[width_s, start_us, here, node] = None

    def _sight(self, node: Node) -> Sight:
        sight = self.sights.get(node)
        if sight is None:
            sight = self.sights[node] = Sight()
        return sight

    def _tell_quiet(self) -> None:
        """Give minutes rows of nothing for the keys that had something in those before; they are published as any."""
        elsewhere = Elsewhere(self.windows)
        for node in list(self._moved):
            sight = self._sight(node)
            for start_us in self.quiet.minutes(node, sight.since_us, sight.ready_us()):
                if sight.blind_us(MINUTE_S, start_us):
                    continue  # whether there was none is not known
                window = self.windows.get((MINUTE_S, start_us), Window())
                rows = window.rows.get(node, {})
                asked = {key: row.vantage for key, row in rows.items() if row.counts.requests}
                for key, heard in self.quiet.missing(node, asked):
                    if elsewhere.has(key, node, start_us - (heard.told - 1) * MINUTE_US, start_us):
                        self.quiet.give_up(node, key)
                    elif (key not in rows or rows[key].is_taken_back) and window.many < MAX_KEYS:
                        self._give_nothing(start_us, key, node, heard.vantage)

    def _give_nothing(self, start_us: int, key: Key, node: Node, vantage: str) -> None:
        found = self._row(MINUTE_S, start_us // SLOT_US, key, node)
        if found is not None:
            place, window, row = found
            row.vantages, row.is_told_quiet = {vantage: 0}, True
            self.counts["quiet_minutes"] += 1
            if node in window.published:
                self._dirty[place] = None

    # Windows out

    def _corrections(self) -> list[dict[str, Any]]:
        touched, self._dirty = self._dirty, {}
        dirty = [one for one in touched if not self.windows[one[:2]].rows[one[3]][one[2]].is_taken_back]
        self.counts["corrected"] += len(dirty)
        return [self._record(*one) for one in dirty]

    def _due(self, append_time_ms: int) -> list[dict[str, Any]]:
        """Publish the windows whose end the watermarks of their node have passed."""
        out = []
        moved, self._moved = self._moved, {}
        for node in moved:
            sight = self._sight(node)
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
                keys = [key for key, row in window.rows.get(node, {}).items() if not row.is_taken_back]
                self.counts["published"] += len(keys)
                out += [self._record(width_s, start_us, key, node) for key in keys]
        return out

    def _record(self, width_s: int, start_us: int, key: Key, node: Node) -> dict[str, Any]:
        row = self.windows[width_s, start_us].rows[node][key]
        row.version += 1
        blind_us = self._sight(node).blind_us(width_s, start_us)
        said = blind_us, self.tokens.are_expected(key), self._generation + self._apart(key)
        return kpi(width_s, start_us, row.version, key, node, row.vantage, row.counts, row.client, *said)

    def _apart(self, key: Key) -> str:
        """Return what keeps this partition's row of the keys not kept apart from those of the other partitions."""
        return f"#{self.facts.partition}" if key == other(key) else ""

    def _close(self, append_time_ms: int) -> None:
        """Close for ever what was published long enough ago, and what exceeds the bound; forget who has ended."""
        before, reached_us = len(self.windows), -1
        for (width_s, start_us), when in list(self.published.items()):
            age_ms = append_time_ms - when
            if age_ms <= self.rules.correction_ms:
                break
            if reached_us < 0:
                reached_us = min((sight.ready_us() for sight in self.sights.values()), default=FOREVER_US)
            is_told = start_us + width_s * 1_000_000 <= reached_us or age_ms > PATIENCE * self.rules.correction_ms
            window = width_s, start_us
            if is_told and not any(window in self._sight(node).pending for node in self.windows[window].rows):
                self._end(width_s, start_us)
        while len(self.windows) > MAX_WINDOWS:
            self.counts["windows_evicted"] += 1
            self._end(*next(iter(self.published or self.windows)))
        if len(self.windows) < before:
            self._forget()

    def _end(self, width_s: int, start_us: int) -> None:
        number = start_us // (width_s * 1_000_000)
        window = self.windows.pop((width_s, start_us))
        self._forget_met()
        self.published.pop((width_s, start_us), None)
        for node, rows in window.rows.items():
            self.closed.add(node, width_s, number)
            if width_s == 10 and any(row.vantages.keys() - {"wire"} for row in rows.values()):
                self.closed.add(_ends_of(node), width_s, number)
            if (width_s, start_us) in (pending := self._sight(node).pending):
                pending.remove((width_s, start_us))
        if width_s == 10:
            self.slots.forget(number)

    def _forget(self) -> None:
        """Let go of nodes of which nothing is open and nothing more is expected."""
        ended = {node for node, sight in self.sights.items() if not sight.living and not sight.pending}
        for window in self.windows.values():
            ended.difference_update(window.published)
        for node in ended:
            del self.sights[node]
            self.quiet.forget(node)

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
