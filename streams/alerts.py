"""The alert fold: KPIs in, alerts raised and cleared out, one state a partition of sbi.kpis.

Its clock is the windows themselves: a window of a key is judged once, in order; a correction of one judged already,
or a repeat, changes nothing. What stayed away is found when the windows of others on its node went on.
"""

import io
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from zlib import crc32

import fastavro
import msgspec

from schemas.fields import document
from schemas.identity import content_id
from schemas.topics import JSON_SUFFIX
from streams.alert_rules import Kpi, Rule, Verdict, judged, observed, rules
from streams.fold import Facts, Numbering, Rows
from streams.plain import without_logical_types
from streams.reframe import Malformed

ALERTS, ALERTS_JSON = "sbi.alerts", f"sbi.alerts{JSON_SUFFIX}"
MAX_KEYS = 50_000
FORM = 1
NAMES = ("kpis", "kpis_repeated", "kpis_to_proxy", "raised", "cleared", "keys_evicted")
OBJECT = ("operation", "consumer_nf", "producer_nf", "producer_nf_instance", "snssai", "dnn", "plmn", "site", "node")
_RECORD = fastavro.parse_schema(without_logical_types(document("alert")))


class Watch(msgspec.Struct, array_like=True):
    """One rule on one key: where it stands. `version` odd = raised; `streak` = windows in a row against that."""

    version: int = 0
    streak: int = 0
    raised_us: int = 0
    values: list[float] = msgspec.field(default_factory=list)  # of the windows before, for the baseline


class Key(msgspec.Struct, array_like=True):
    """One KPI key: what it is of, the last window judged, and its rules by name."""

    window_s: int
    fields: list[str | None]
    last_us: int = -1
    watches: dict[str, Watch] = msgspec.field(default_factory=dict)


class State(msgspec.Struct, array_like=True):
    """What the fold is made of."""

    form: int
    numbers: list[tuple[str, int, int]]
    counts: dict[str, int]
    keys: list[tuple[str, Key]]
    reached: list[tuple[str, str, int, int]]


class Alerts:
    """Judges the KPIs of one partition of sbi.kpis (streams.fold.Fold)."""

    def __init__(self, facts: Facts, by: tuple[Rule, ...] | None = None) -> None:
        """`by`: the rules, those of this release unless others are given."""
        self.facts = facts
        self.numbering = Numbering()
        self.counts = dict.fromkeys(NAMES, 0)
        self._rules = {one.name: one for one in (rules() if by is None else by)}
        self._keys: OrderedDict[str, Key] = OrderedDict()  # heard of longest ago first
        self._reached: dict[tuple[str, str, int], int] = {}  # newest window by site, node and length
        self._schemas: dict[int, tuple[Mapping[str, Any], Any]] = {}

    def apply(self, append_time_ms: int, schema: Mapping[str, Any] | None, body: bytes) -> list[Rows]:  # noqa: ARG002
        """Take the next message (streams.fold.Fold)."""
        if schema is None or not body:
            return []
        kpi = self._read(schema, body)
        self.counts["kpis"] += 1
        if kpi["to_proxy"]:
            self.counts["kpis_to_proxy"] += 1
            return []
        return self._rows([*self._judge(kpi), *self._absent(kpi)])

    def pass_over(self) -> None:
        """Nothing to do: a KPI tells its window, and one that is lost is one not judged."""

    def dump(self) -> bytes:
        """Return the state."""
        numbers = [(topic, partition, number) for (topic, partition), number in self.numbering.last.items()]
        reached = [(*place, when) for place, when in self._reached.items()]
        return msgspec.msgpack.encode(State(FORM, numbers, self.counts, list(self._keys.items()), reached))

    def load(self, state: bytes) -> None:
        """Become what `dump` was called on."""
        found = msgspec.msgpack.decode(state, type=State)
        self.numbering.last = {(topic, partition): number for topic, partition, number in found.numbers}
        self.counts.update(found.counts)
        self._keys = OrderedDict(found.keys)
        self._reached = {(site, node, width_s): when for site, node, width_s, when in found.reached}

    def _read(self, schema: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        if id(schema) not in self._schemas:
            self._schemas[id(schema)] = schema, fastavro.parse_schema(without_logical_types(dict(schema)))
        source = io.BytesIO(body)
        try:
            kpi = fastavro.schemaless_reader(source, self._schemas[id(schema)][1], None)
        except Exception as error:
            raise Malformed(f"no Kpi: {type(error).__name__}") from error
        if source.tell() != len(body) or not isinstance(kpi, dict) or "kpi_id" not in kpi:
            raise Malformed("no Kpi: its record ends elsewhere")
        return kpi

    # Windows that came

    def _judge(self, kpi: Kpi) -> list[dict[str, Any]]:
        key = self._keys.get(kpi["kpi_id"])
        if key is None:
            concerned = [rule.name for rule in self._rules.values() if rule.concerns(kpi)]
            if not concerned:
                return []
            self._forget()
            key = Key(kpi["window_s"], [kpi[name] for name in OBJECT], -1, {name: Watch() for name in concerned})
            self._keys[kpi["kpi_id"]] = key
        if kpi["window_start_us"] <= key.last_us:
            self.counts["kpis_repeated"] += 1
            return []
        key.last_us = kpi["window_start_us"]
        self._keys.move_to_end(kpi["kpi_id"])
        out = []
        for name, watch in key.watches.items():
            rule = self._rules.get(name)
            if rule is not None:
                out += self._step(rule, watch, kpi["kpi_id"], key, self._verdict(rule, watch, kpi), key.last_us)
        return out

    def _verdict(self, rule: Rule, watch: Watch, kpi: Kpi) -> Verdict:
        """Judge a window; what was bad does not become the baseline."""
        value = observed(rule, kpi)
        if rule.absent_after:
            verdict = Verdict(value < rule.least, value, rule.least)
        else:
            verdict = judged(rule, kpi, watch.values)
        if rule.baseline and not verdict.is_bad:
            watch.values = [*watch.values, value][-rule.baseline :]
        return verdict

    def _step(
        self, rule: Rule, watch: Watch, kpi_id: str, key: Key, verdict: Verdict, start_us: int
    ) -> list[dict[str, Any]]:
        """Go on by one window: raise after so many bad ones in a row, clear after so many good ones."""
        is_raised = watch.version % 2 == 1
        if verdict.is_bad is None or verdict.is_bad == is_raised:
            watch.streak = 0
            return []
        watch.streak += 1
        if watch.streak < (rule.clear_after if is_raised else rule.raise_after):
            return []
        watch.streak = 0
        watch.version += 1
        self.counts["cleared" if is_raised else "raised"] += 1
        end_us = start_us + key.window_s * 1_000_000
        if not is_raised:
            watch.raised_us = end_us
        return [_alert(rule, watch, kpi_id, key, verdict, start_us, None if not is_raised else end_us)]

    # Windows that stayed away

    def _absent(self, kpi: Kpi) -> list[dict[str, Any]]:
        """Where the windows of a node went on, raise what should have had some."""
        place = kpi["site"], kpi["node"], kpi["window_s"]
        reached = self._reached.get(place, -1)
        if kpi["window_start_us"] <= reached:
            return []
        self._reached[place] = kpi["window_start_us"]
        out = []
        for name in self._absence_rules(kpi["window_s"]):
            rule = self._rules[name]
            before_us = kpi["window_start_us"] - rule.absent_after * rule.window_s * 1_000_000
            for kpi_id, key in self._keys.items():
                watch = key.watches.get(name)
                is_here = key.fields[-2:] == [kpi["site"], kpi["node"]]
                if watch is None or not is_here or key.last_us > before_us or watch.version % 2:
                    continue
                if len(watch.values) >= rule.baseline:
                    watch.streak = rule.raise_after - 1
                    verdict = Verdict(True, 0.0, rule.least)
                    out += self._step(rule, watch, kpi_id, key, verdict, kpi["window_start_us"])
        return out

    def _absence_rules(self, window_s: int) -> list[str]:
        return [rule.name for rule in self._rules.values() if rule.absent_after and rule.window_s == window_s]

    def _forget(self) -> None:
        if len(self._keys) >= MAX_KEYS:
            self.counts["keys_evicted"] += 1
            self._keys.popitem(last=False)

    def _rows(self, records: list[dict[str, Any]]) -> list[Rows]:
        found: dict[tuple[str, int], tuple[list[bytes], list[bytes]]] = {}
        for record in records:
            key = record["alarm_id"].encode()
            for topic, encoded in ((ALERTS, encode), (ALERTS_JSON, msgspec.json.encode)):
                if topic in self.facts.outputs:
                    octets, keys = found.setdefault((topic, crc32(key) % self.facts.outputs[topic]), ([], []))
                    octets.append(encoded(record))
                    keys.append(key)
        return [self.numbering.rows(*place, *both) for place, both in sorted(found.items())]


def _alert(
    rule: Rule, watch: Watch, kpi_id: str, key: Key, verdict: Verdict, start_us: int, cleared_us: int | None
) -> dict[str, Any]:
    """Return the record Alert."""
    is_cleared = cleared_us is not None
    return {
        "alarm_id": content_id(rule.name, kpi_id),
        "version": watch.version,
        "notification": "notifyClearedAlarm" if is_cleared else "notifyNewAlarm",
        "event_type": rule.event_type,
        "probable_cause": rule.cause,
        "perceived_severity": "cleared" if is_cleared else rule.severity,
        "specific_problem": rule.name,
        "window_start_us": start_us,
        "window_s": key.window_s,
        "raised_us": watch.raised_us,
        "cleared_us": cleared_us,
        "observed": verdict.observed,
        "threshold": verdict.threshold,
        "kpi_id": kpi_id,
        **dict(zip(OBJECT, key.fields, strict=True)),
    }


def encode(record: dict[str, Any]) -> bytes:
    """Return the record as Avro."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _RECORD, record)
    return out.getvalue()
