"""The alert fold: KPIs in, alerts raised and cleared out, one state a partition of sbi.kpis.

Its clock is the windows themselves: a window of a key is judged once, in order; a correction of one judged already,
or a repeat, changes nothing. One of nothing (streams.kpi_quiet) is judged by no rule, it tells the time. What stayed
away is found when windows of its writer went on (streams.alert_shown). A window that begins well after its append time
was told by a wrong clock, and moves nothing.
"""

import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

import fastavro
import msgspec

from schemas.fields import document
from schemas.plain import without_logical_types
from schemas.topics import JSON_SUFFIX
from streams.alert_row import OBJECT, encode, record
from streams.alert_rules import Kpi, Rule, is_quiet, rules
from streams.alert_shown import ANYONE, Place, Shown, writer_of
from streams.alert_watch import SLACK, Change, Verdict, Watch
from streams.fold import Facts, Held, Numbering, Rows
from streams.reframe import Malformed

ALERTS, ALERTS_JSON = "sbi.alerts", f"sbi.alerts{JSON_SUFFIX}"
MAX_KEYS = 50_000
FORM = 2
NAMES = ("kpis", "kpis_repeated", "kpis_to_proxy", "kpis_ahead", "raised", "cleared", "keys_evicted")
AHEAD_US = 600_000_000  # by which an agent's clock may be before the broker's and its windows are judged all the same

_OURS = fastavro.parse_schema(without_logical_types(document("kpi")))


class Key(msgspec.Struct, array_like=True):
    """One KPI key: what it is of, the last window judged, and its rules by name."""

    window_s: int
    fields: list[str | None]
    last_us: int = -1
    watches: dict[str, Watch] = msgspec.field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where it was seen."""
        site, node = self.fields[-2:]
        return site or "", node or "", self.window_s


class State(msgspec.Struct, array_like=True):
    """What the fold is made of."""

    form: int
    numbers: list[tuple[str, int, int]]
    counts: dict[str, int]
    keys: list[tuple[str, Key]]
    shown: list[tuple[Place, list[int]]]  # by anyone
    told: list[tuple[Place, int, list[int]]] = msgspec.field(default_factory=list)  # by each writer


class Alerts:
    """Judges the KPIs of one partition of sbi.kpis (streams.fold.Fold)."""

    def __init__(self, facts: Facts, by: tuple[Rule, ...] | None = None) -> None:
        """`by`: the rules, those of this release unless others are given."""
        self.facts = facts
        self.numbering = Numbering()
        self.counts = dict.fromkeys(NAMES, 0)
        self._rules = {one.name: one for one in (rules() if by is None else by)}
        self._lengths = sorted({one.window_s for one in self._rules.values()})
        # sbi.kpi-deltas has as many partitions as the alerts' topics: deploy.topics refuses any other number
        self._writers = facts.outputs.get(ALERTS) or facts.outputs.get(ALERTS_JSON) or 1
        self._keys: OrderedDict[str, Key] = OrderedDict()  # heard of longest ago first
        self._places: dict[Place, dict[str, Key]] = {}
        self._shown = Shown()
        self._schemas: dict[int, tuple[Mapping[str, Any], Any, Any]] = {}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:
        """Take the next message (streams.fold.Fold)."""
        if schema is None or not body:
            return []
        kpi = self._read(schema, body)
        self.counts["kpis"] += 1
        if kpi["to_proxy"]:
            self.counts["kpis_to_proxy"] += 1
            return []
        latest_us = append_time_ms * 1_000 + AHEAD_US
        if kpi["window_start_us"] > latest_us:  # its start: where a node's agents ended, windows are told before theirs
            self.counts["kpis_ahead"] += 1
            return []
        judged = () if is_quiet(kpi) else self._judge(kpi, latest_us)
        return self._rows([*self._bound(), *judged, *self._away(kpi, latest_us)])

    def pass_over(self) -> None:
        """Nothing to do: a KPI tells its window, and one that is lost is one not judged."""

    def held(self) -> Held:
        """Return what is remembered (streams.fold.Holding)."""
        return Held({"keys": len(self._keys)})

    def dump(self) -> bytes:
        """Return the state."""
        numbers = [(topic, partition, number) for (topic, partition), number in self.numbering.last.items()]
        shown = [(place, starts) for place, _, starts in self._shown.dump(of_anyone=True)]
        told = self._shown.dump(of_anyone=False)
        return msgspec.msgpack.encode(State(FORM, numbers, self.counts, list(self._keys.items()), shown, told))

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        found = msgspec.msgpack.decode(state, type=State)
        self.numbering.last = {(topic, partition): number for topic, partition, number in found.numbers}
        self.counts.update(found.counts)
        self._keys = OrderedDict(found.keys)
        self._places = {}
        for kpi_id, key in found.keys:
            of = {"window_s": key.window_s} | dict(zip(OBJECT, key.fields, strict=True))
            new = (rule for rule in self._rules.values() if rule.name not in key.watches and rule.concerns(of))
            key.watches.update((rule.name, Watch()) for rule in new)  # rules that came with a later release
            self._places.setdefault(key.place, {})[kpi_id] = key
        by_anyone = ((place, ANYONE, starts) for place, starts in found.shown if place in self._places)
        self._shown.load([*by_anyone, *found.told])

    def _read(self, schema: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        source = io.BytesIO(body)
        try:
            if id(schema) not in self._schemas:
                theirs = fastavro.parse_schema(without_logical_types(dict(schema)))
                self._schemas[id(schema)] = schema, theirs, None if theirs == _OURS else _OURS
            _, theirs, ours = self._schemas[id(schema)]
            kpi = fastavro.schemaless_reader(source, theirs, ours)
        except Exception as error:
            raise Malformed(f"no Kpi: {type(error).__name__}") from error
        if source.tell() != len(body) or not isinstance(kpi, dict) or "kpi_id" not in kpi:
            raise Malformed("no Kpi: its record ends elsewhere")
        if kpi["window_s"] <= 0:
            raise Malformed(f"no Kpi: a window of {kpi['window_s']} s")
        return kpi

    # Windows that came

    def _judge(self, kpi: Kpi, latest_us: int) -> Iterator[dict[str, Any]]:
        key = self._keys.get(kpi["kpi_id"]) or self._new(kpi)
        if key is None:
            return
        if key.last_us > latest_us:  # a release before judged what came from ahead
            key.last_us = -1
        if kpi["window_start_us"] <= key.last_us:
            self.counts["kpis_repeated"] += 1
            return
        key.last_us = kpi["window_start_us"]
        self._keys.move_to_end(kpi["kpi_id"])
        end_us = key.last_us + key.window_s * 1_000_000
        for rule, watch in self._ruled(key):
            verdict = watch.judge(rule, kpi)
            if self._count(watch.step(rule, verdict, end_us)):
                yield record(rule, watch, kpi["kpi_id"], key.fields, verdict, key.last_us)
            elif watch.has_lasted(rule):
                self._count(watch.turn(rule, end_us))
                watch.values = []
                why = f"it lasted {rule.usual_after} windows of {rule.window_s} s and is taken as usual from now on"
                yield record(rule, watch, kpi["kpi_id"], key.fields, verdict, key.last_us, why)

    def _new(self, kpi: Kpi) -> Key | None:
        """Return the key of a KPI that comes for the first time; None where no rule concerns it."""
        concerned = {rule.name: Watch() for rule in self._rules.values() if rule.concerns(kpi)}
        if not concerned:
            return None
        key = Key(kpi["window_s"], [kpi[name] for name in OBJECT], -1, concerned)
        self._keys[kpi["kpi_id"]] = self._places.setdefault(key.place, {})[kpi["kpi_id"]] = key
        return key

    def _ruled(self, key: Key) -> Iterator[tuple[Rule, Watch]]:
        """Yield the rules of a key that this release still has."""
        for name, watch in key.watches.items():
            if name in self._rules:
                yield self._rules[name], watch

    def _count(self, change: Change) -> bool:
        if change is Change.NONE:
            return False
        self.counts["raised" if change is Change.RAISED else "cleared"] += 1
        return True

    # Windows that stayed away

    def _away(self, kpi: Kpi, latest_us: int) -> list[dict[str, Any]]:
        """Where the windows of a node went on, raise what should have had some, and clear what no one shows."""
        writer = writer_of(kpi["operation"], self._writers)
        found: list[dict[str, Any]] = []
        for length_s in self._lengths:
            place, start_us = (kpi["site"], kpi["node"], length_s), kpi["window_start_us"]
            if length_s % kpi["window_s"] or place not in self._places:
                continue
            start_us -= start_us % (length_s * 1_000_000)  # a shorter window shows that the longer one has begun
            if shown := self._shown.goes_on(place, ANYONE, start_us, latest_us):
                found += self._idle(place, shown[-1])  # all before its start was told
            if writer is not None and (shown := self._shown.goes_on(place, writer, start_us, latest_us)):
                found += self._absent(place, writer, shown)
        return sorted(found, key=lambda row: str(row["alarm_id"]))

    def _absent(self, place: Place, writer: int, shown: list[int]) -> Iterator[dict[str, Any]]:
        """Raise what stayed away from the windows that its writer has told whole."""
        waiting = [rule for rule in self._rules.values() if rule.absent_after and rule.window_s == place[2]]
        keys = self._places[place].items() if waiting and len(shown) > SLACK else ()
        for kpi_id, key in keys:
            for rule in waiting:
                watch = key.watches.get(rule.name)
                if watch and watch.is_absent(rule, shown) and writer_of(key.fields[0], self._writers) == writer:
                    start_us = shown[-1 - SLACK]
                    self._count(watch.turn(rule, start_us + rule.window_s * 1_000_000))
                    yield record(rule, watch, kpi_id, key.fields, Verdict(True, 0.0, 0.0), start_us)

    def _idle(self, place: Place, told_us: int) -> Iterator[dict[str, Any]]:
        """Clear what has stood for long and had no window, whoever tells that time went on."""
        for kpi_id, key in self._places[place].items():
            for rule, watch in self._ruled(key):
                if watch.is_idle(rule, key.last_us, told_us):
                    self._count(watch.turn(rule, told_us))
                    watch.values = []  # what stays away for so long is not waited for any more
                    why = f"nothing of it was seen for {rule.idle_after} windows of {rule.window_s} s"
                    start_us = told_us - rule.window_s * 1_000_000
                    yield record(rule, watch, kpi_id, key.fields, Verdict(None, 0.0, 0.0), start_us, why)

    def _bound(self) -> Iterator[dict[str, Any]]:
        """Let go of whom was heard of longest ago, where there are too many; what it had raised is told as over."""
        while len(self._keys) > MAX_KEYS:
            kpi_id, key = self._keys.popitem(last=False)
            del self._places[key.place][kpi_id]
            if not self._places[key.place]:
                del self._places[key.place]
                self._shown.forget(key.place)
            self.counts["keys_evicted"] += 1
            for rule, watch in self._ruled(key):
                if watch.is_raised:
                    self._count(watch.turn(rule, key.last_us + key.window_s * 1_000_000))
                    why = "no longer watched: there are too many keys"
                    yield record(rule, watch, kpi_id, key.fields, Verdict(None, 0.0, 0.0), key.last_us, why)

    def _rows(self, records: list[dict[str, Any]]) -> list[Rows]:
        found: dict[tuple[str, int], tuple[list[bytes], list[bytes]]] = {}
        for row in records:
            key = row["alarm_id"].encode()
            for topic, encoded in ((ALERTS, encode), (ALERTS_JSON, msgspec.json.encode)):
                if topic in self.facts.outputs:
                    octets, keys = found.setdefault((topic, crc32(key) % self.facts.outputs[topic]), ([], []))
                    octets.append(encoded(row))
                    keys.append(key)
        return [self.numbering.rows(*place, *both) for place, both in sorted(found.items())]
