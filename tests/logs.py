"""Random logs of sbi.events with the truth of what really happened: collectors that lose, restart, die, write late."""

import random
from dataclasses import dataclass, field
from typing import Any

from schemas.identity import content_id, transaction_id
from tests.events import batch, request, response

S = 1_000_000
T0 = 1_795_302_000 * S
END_S = 90.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What may go wrong, as odds."""

    batch_lost: float = 0.0
    event_lost: float = 0.0  # counted, in the batch that would have held it or in the next
    batch_repeated: float = 0.0
    restart: float = 0.0  # per collector: it dies, what it had in hand is gone, another begins
    death: float = 0.0  # per collector: it dies and no other begins
    clock_step_s: float = 0.0  # of a new incarnation's clock
    delay_s: float = 0.5  # until a batch stands in the log


@dataclass(slots=True)
class Exchange:
    """What really happened, by the clock of who saw it; `seen`: the halves that stand in the log."""

    transaction: str
    deadline_us: int
    request_us: int
    response_us: int | None
    seen: set[str] = field(default_factory=set)
    late: bool = False
    collector: str = ""
    faulty: bool = False  # something went wrong with its collector


@dataclass(slots=True)
class Log:
    """Messages of one partition, (append time in ms, body), and the truth."""

    messages: list[tuple[int, bytes]]
    exchanges: dict[str, Exchange]


@dataclass(slots=True)
class _Half:
    first_us: int
    last_us: int
    name: str
    event: Any
    exchange: Exchange


def log(seed: int, collectors: int, rate: float, faults: Faults) -> Log:
    """Return a log of `collectors` nodes, `rate` exchanges a second each."""
    chance = random.Random(seed)
    exchanges: dict[str, Exchange] = {}
    appended: list[tuple[float, int, bytes]] = []
    for number in range(collectors):
        _collector(chance, f"n{number}", rate, faults, exchanges, appended)
    appended.sort(key=lambda one: one[:2])
    messages = [(T0 // 1_000 + round(when * 1_000), body) for when, _, body in appended]
    last_ms = messages[-1][0] if messages else T0 // 1_000
    messages += [(last_ms + 1_000 * (second + 1), b"") for second in range(75)]  # the owner's ticks
    return Log(messages, exchanges)


def _exchanges(chance: random.Random, node: str, rate: float) -> list[_Half]:
    halves = []
    for stream in range(1, round(END_S * rate) * 2, 2):
        connection = f"{node}/{chance.randrange(4)}"
        begin = T0 + round(chance.random() * (END_S - 1) * S)
        deadline_ms = chance.choice([0, 500, 2_000, 30_000])
        took = chance.choice([0.001, 0.02, 0.3, 5.0, 15.0]) * chance.uniform(0.5, 1.5)
        answered = chance.random() > 0.1
        upload, download = (chance.choice([0, 0, 0.01, 3.0]) * chance.random() for _ in range(2))
        first = begin + round((took if chance.random() < 0.95 else upload * 0.5) * S)  # some answer before all is sent
        one = Exchange(
            transaction_id(content_id(connection), stream),
            begin + (deadline_ms or 10_000) * 1_000,
            begin,
            first if answered else None,
            collector=node,
        )
        said = {
            "operation": chance.choice(["A", "B"]),
            "supi": f"imsi-{chance.randrange(9)}",
            "server_address": "127.0.0.9",
        }
        asked = said | {"max_rsp_time_ms": deadline_ms or None, "body_bytes": stream}
        ended = begin + round(upload * S)
        halves.append(_Half(begin, ended, "request", (request, stream, connection, asked), one))
        if answered:
            status = chance.choice([200, 201, 404, 503])
            told = (response, stream, connection, said | {"status": status})
            halves.append(_Half(first, first + round(download * S), "response", told, one))
    return halves


def _collector(
    chance: random.Random,
    node: str,
    rate: float,
    faults: Faults,
    exchanges: dict[str, Exchange],
    appended: list[tuple[float, int, bytes]],
) -> None:
    """Let the incarnations of one collector see what happens on a node and write batches."""
    halves = _exchanges(chance, node, rate)
    exchanges.update((half.exchange.transaction, half.exchange) for half in halves if half.name == "request")
    dies = [(chance.uniform(10, 80), 2.0)] if chance.random() < faults.restart else []
    if not dies and chance.random() < faults.death:
        dies = [(chance.uniform(10, 80), 1_000.0)]
    begin, after, offset_us, order = T0, 0.0, 0, 0
    for incarnation, (end_s, pause_s) in enumerate([*dies, (END_S + 20, 0.0)]):
        end = T0 + round(end_s * S)
        order, after = _incarnation(
            chance,
            node,
            f"i{incarnation}",
            halves,
            (begin, end),
            offset_us,
            not pause_s,
            faults,
            appended,
            (order, after),
        )
        if pause_s:
            for half in halves:
                half.exchange.faulty = True
            begin = end + round(pause_s * S)
            offset_us = round(faults.clock_step_s * chance.uniform(-1, 1) * S)
            if begin > T0 + END_S * S:
                return


def _incarnation(
    chance: random.Random,
    node: str,
    name: str,
    halves: list[_Half],
    life: tuple[int, int],
    offset_us: int,
    orderly: bool,
    faults: Faults,
    appended: list[tuple[float, int, bytes]],
    place: tuple[int, float],
) -> tuple[int, float]:
    """Write the batches of one incarnation: it sees the halves that begin and end in its life."""
    begin, end = life
    mine = sorted(
        (half for half in halves if begin <= half.first_us and half.last_us < end), key=lambda half: half.last_us
    )
    open_at_end = [half for half in halves if begin <= half.first_us < end <= half.last_us]
    order, after = place
    loss: dict[str, int] = {}
    sequence, now, told, watermark = 0, begin, 0, 0
    while now < end:
        now = min(end, now + round(chance.choice([0.1, 0.1, 0.5, 1.0]) * S))
        done = []
        while told < len(mine) and mine[told].last_us < now:
            done.append(mine[told])
            told += 1
        still_open = [half.first_us for half in mine[told:] + open_at_end if half.first_us < now]
        watermark = max(watermark, min([now, *still_open]))
        sequence += 1
        kept = []
        for half in done:
            if chance.random() < faults.event_lost:
                loss["gaps"] = loss.get("gaps", 0) + 1
                half.exchange.faulty = True
            else:
                kept.append(half)
        final = orderly and now == end
        lost = not final and chance.random() < faults.batch_lost
        if lost:
            for half in halves:  # whatever was open or began around it may be in doubt
                half.exchange.faulty = True
            continue
        if loss:
            for half in halves:
                half.exchange.faulty = True
        events = [_event(half, offset_us) for half in kept]
        for half in kept:
            half.exchange.seen.add(half.name)
        body = batch(
            sequence, events, watermark + offset_us, node, name, dict(loss), now + offset_us, final
        )  # fmt: skip
        after = max(after, (now - T0) / S + chance.random() * faults.delay_s)
        order += 1
        appended.append((after, order, body))
        if chance.random() < faults.batch_repeated:
            appended.append((after + chance.random() * 3, order, body))
    return order, after


def _event(half: _Half, offset_us: int) -> Any:
    make, stream, connection, said = half.event
    return make(stream, half.first_us + offset_us, connection, last_byte_us=half.last_us + offset_us, **said)
