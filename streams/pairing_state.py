"""The state of a pairing fold as bytes and back: MessagePack, with the writers' schemas of the halves it holds."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from streams.collectors import Collector, Key
from streams.half import Half, Layout
from streams.kpi_counts import Counts
from streams.transaction_table import prepare

if TYPE_CHECKING:
    from streams.pairing import Pairing

FORM = 1


class PairingState(msgspec.Struct, array_like=True, frozen=True):
    """What a pairing fold is made of; indices point into `schemas` and `collectors`."""

    form: int
    append_time_ms: int
    counts: dict[str, int]
    numbers: list[tuple[str, int, int]]
    schemas: list[str]
    collectors: list[tuple[str, str, int, str, bytes, int, int, int, int, int, int, bool, dict[str, int]]]
    living: list[int]
    newest: list[int]
    requests: list[tuple[int, int, bytes, bool]]
    responses: list[tuple[int, int, bytes, bool]]
    told: list[tuple[int, int, bytes, bool, int, int]]
    second: int
    cells: list[tuple[int, int, bytes, Counts]]
    blind: list[tuple[int, dict[int, int]]]
    over: list[int]
    reached: list[tuple[int, dict[int, int]]]
    opened: list[tuple[int, int, list[int]]] = []  # none in a state of a release before: told of again, no harm
    known: int | None = None  # so many of `collectors` are, the others forgotten; of a release before: all are


class _Indices:
    """Gives things numbers in the order in which they are met."""

    def __init__(self) -> None:
        self.of: dict[Any, int] = {}

    def __getitem__(self, thing: Any) -> int:
        return self.of.setdefault(thing, len(self.of))


def dump(fold: "Pairing") -> bytes:
    """Return the state of `fold`; the same state gives the same bytes."""
    schemas, collectors = _Indices(), _Indices()
    texts: dict[int, str] = {}

    def half(one: Half) -> tuple[int, int, bytes, bool]:
        text = texts.get(id(one.layout)) or texts.setdefault(id(one.layout), json.dumps(one.layout.schema))
        return schemas[text], collectors[one.collector], one.octets, one.doubtful

    for collector in fold.collectors.known.values():
        collectors[collector]
    deltas = fold.deltas
    state = PairingState(
        form=FORM,
        append_time_ms=fold.append_time_ms,
        counts=fold.counts,
        numbers=[(topic, partition, number) for (topic, partition), number in fold.numbering.last.items()],
        requests=[half(one) for one in fold.requests.values()],
        responses=[half(one) for one in fold.responses.values()],
        told=[(*half(one.request), one.request.outcome, one.at_ms) for one in fold.told.values()],
        second=deltas.second,
        cells=[
            (collectors[one], window, key, counts)
            for one, cells in deltas.cells.items()
            for (window, key), counts in cells.items()
        ],
        blind=[(collectors[one], windows) for one, windows in deltas.blind.items()],
        over=[collectors[one] for one in deltas.over],
        reached=[(collectors[one], told) for one, told in deltas.reached.items()],
        opened=[
            (collectors[one], window, list(met))
            for one, windows in deltas.opened.items()
            for window, met in windows.items()
        ],
        known=len(fold.collectors.known),
        living=[collectors[one] for one in fold.collectors.living.values()],
        newest=[collectors[fold.collectors.known[key]] for key in fold.collectors.newest.values()],
        schemas=list(schemas.of),
        collectors=[_collector(one) for one in collectors.of],
    )
    return msgspec.msgpack.encode(state)


def _collector(
    one: Collector,
) -> tuple[str, str, int, str, bytes, int, int, int, int, int, int, bool, dict[str, int]]:
    return (
        *one.key, one.place, one.since_us, one.sequence, one.watermark_us, one.clock_us, one.doubt_until_us,
        one.heard_ms, one.over, one.loss,
    )  # fmt: skip


def load(fold: "Pairing", octets: bytes) -> None:
    """Become the fold that `dump` was called on."""
    state = msgspec.msgpack.decode(octets, type=PairingState)
    layouts = [prepare(Layout(json.loads(text))) for text in state.schemas]
    collectors = [Collector(*fields) for fields in state.collectors]
    keys: list[Key] = [one.key for one in collectors]
    fold.append_time_ms = state.append_time_ms
    fold.counts.update(state.counts)
    fold.numbering.last = {(topic, partition): number for topic, partition, number in state.numbers}
    fold.collectors.known.update(list(zip(keys, collectors, strict=True))[: state.known])
    fold.collectors.living.update((keys[i], collectors[i]) for i in state.living)
    fold.collectors.newest.update((keys[i][:3], keys[i]) for i in state.newest)

    def halves(many: Iterable[tuple[int, int, bytes, bool]]) -> Iterable[Half]:
        for layout, collector, text, doubtful in many:
            half = layouts[layout].half(text)
            half.collector, half.doubtful = collectors[collector], doubtful
            yield half

    for half in halves(state.requests):
        fold.wait_for_answer(half)
    for half in halves(state.responses):
        fold.wait_for_request(half)
    for half, (*_, outcome, at_ms) in zip(halves(one[:4] for one in state.told), state.told, strict=True):
        half.outcome = outcome
        fold.remember(half, at_ms)
    _load_deltas(fold, state, collectors)


def _load_deltas(fold: "Pairing", state: PairingState, collectors: list[Collector]) -> None:
    deltas = fold.deltas
    deltas.second = state.second
    for one, window, key, counts in state.cells:
        deltas.cells.setdefault(collectors[one], {})[window, key] = counts
    deltas.blind = {collectors[one]: windows for one, windows in state.blind}
    deltas.over = {collectors[one]: None for one in state.over}
    deltas.reached = {collectors[one]: told for one, told in state.reached}
    for one, window, met in state.opened:
        deltas.opened.setdefault(collectors[one], {})[window] = dict.fromkeys(met)
