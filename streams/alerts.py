"""The alert fold: KPIs in, alerts raised and cleared out, one state a partition of sbi.kpis.

Its clock is the windows themselves: a window of a key is judged once, in order; a correction of one judged already,
or a repeat, changes nothing. What stayed away is found when the windows of others on its node went on.
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
from streams.alert_rules import Kpi, Rule, rules
from streams.alert_watch import Change, Verdict, Watch
from streams.fold import Facts, Held, Numbering, Rows
from streams.reframe import Malformed

ALERTS, ALERTS_JSON = "sbi.alerts", f"sbi.alerts{JSON_SUFFIX}"
MAX_KEYS = 50_000
FORM = 2
NAMES = ("kpis", "kpis_repeated", "kpis_to_proxy", "raised", "cleared", "keys_evicted")
SHOWN = 64  # windows remembered of a node and length
Place = tuple[str, str, int]  # site, node, length of the windows


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
    shown: list[tuple[Place, list[int]]]


class Alerts:
    """Judges the KPIs of one partition of sbi.kpis (streams.fold.Fold)."""

    def __init__(self, facts: Facts, by: tuple[Rule, ...] | None = None) -> None:
        """`by`: the rules, those of this release unless others are given."""
        self.facts = facts
        self.numbering = Numbering()
        self.counts = dict.fromkeys(NAMES, 0)
        self._rules = {one.name: one for one in (rules() if by is None else by)}
        self._keys: OrderedDict[str, Key] = OrderedDict()  # heard of longest ago first
        self._places: dict[Place, dict[str, Key]] = {}
        self._shown: dict[Place, list[int]] = {}  # starts of the newest windows, in order
        self._schemas: dict[int, tuple[Mapping[str, Any], Any, Any]] = {}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:  # noqa: ARG002
        """Take the next message (streams.fold.Fold)."""
        if schema is None or not body:
            return []
        kpi = self._read(schema, body)
        self.counts["kpis"] += 1
        if kpi["to_proxy"]:
            self.counts["kpis_to_proxy"] += 1
            return []
        return self._rows([*self._bound(), *self._judge(kpi), *self._away(kpi)])

    def pass_over(self) -> None:
        """Nothing to do: a KPI tells its window, and one that is lost is one not judged."""

    def held(self) -> Held:
        """Return what is remembered (streams.fold.Holding)."""
        return Held({"keys": len(self._keys)})

    def dump(self) -> bytes:
        """Return the state."""
        numbers = [(topic, partition, number) for (topic, partition), number in self.numbering.last.items()]
        keys, shown = list(self._keys.items()), list(self._shown.items())
        return msgspec.msgpack.encode(State(FORM, numbers, self.counts, keys, shown))

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        found = msgspec.msgpack.decode(state, type=State)
        self.numbering.last = {(topic, partition): number for topic, partition, number in found.numbers}
        self.counts.update(found.counts)
        self._keys = OrderedDict(found.keys)
        self._shown = dict(found.shown)
        self._places = {}
        for kpi_id, key in found.keys:
            of = {"window_s": key.window_s} | dict(zip(OBJECT, key.fields, strict=True))
            new = (rule for rule in self._rules.values() if rule.name not in key.watches and rule.concerns(of))
            key.watches.update((rule.name, Watch()) for rule in new)  # rules that came with a later release
            self._places.setdefault(key.place, {})[kpi_id] = key

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
        return kpi

    # Windows that came

    def _judge(self, kpi: Kpi) -> Iterator[dict[str, Any]]:
        key = self._keys.get(kpi["kpi_id"]) or self._new(kpi)
        if key is None:
            return
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

    def _away(self, kpi: Kpi) -> list[dict[str, Any]]:
        """Where the windows of a node went on, raise what should have had some, and clear what no one shows."""
        place = kpi["site"], kpi["node"], kpi["window_s"]
        shown = self._shown.setdefault(place, [])
        if shown and kpi["window_start_us"] <= shown[-1]:
            return []
        shown.append(kpi["window_start_us"])
        del shown[:-SHOWN]
        return sorted(self._missing(place, shown), key=lambda row: str(row["alarm_id"]))

    def _missing(self, place: Place, shown: list[int]) -> Iterator[dict[str, Any]]:
        for kpi_id, key in self._places.get(place, {}).items():
            for rule, watch in self._ruled(key):
                yield from self._missed(rule, watch, kpi_id, key, shown)

    def _missed(self, rule: Rule, watch: Watch, kpi_id: str, key: Key, shown: list[int]) -> Iterator[dict[str, Any]]:
        """Say what follows from a key having had no window."""
        end_us = shown[-1] + rule.window_s * 1_000_000
        if watch.is_absent(rule, shown):
            self._count(watch.turn(rule, end_us))
            yield record(rule, watch, kpi_id, key.fields, Verdict(True, 0.0, rule.least), shown[-1])
        elif watch.is_idle(rule, key.last_us, end_us):
            self._count(watch.turn(rule, end_us))
            watch.values = []  # what stays away for so long is not waited for any more
            why = f"nothing of it was seen for {rule.idle_after} windows of {rule.window_s} s"
            yield record(rule, watch, kpi_id, key.fields, Verdict(None, 0.0, 0.0), shown[-1], why)

    def _bound(self) -> Iterator[dict[str, Any]]:
        """Let go of whom was heard of longest ago, where there are too many; what it had raised is told as over."""
        while len(self._keys) > MAX_KEYS:
            kpi_id, key = self._keys.popitem(last=False)
            del self._places[key.place][kpi_id]
            if not self._places[key.place]:
                del self._places[key.place]
                self._shown.pop(key.place, None)
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
