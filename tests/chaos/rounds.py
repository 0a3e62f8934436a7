"""The rounds: what is killed, added, removed and planted, in an order drawn from a seed."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from schemas.framing import frame
from streams.clickhouse import FAILURES
from tests.chaos.accounts import Squared, square
from tests.chaos.field import PARTITIONS, PATIENCE_S, STAGES, Field, running
from tests.chaos.lag import Kafka, through
from tests.chaos.truth import Planted

ACTIONS = (*STAGES, "broker", "front", "collector", "add", "remove")
EACH_ROUND = 3
PATIENT = {"message.timeout.ms": round(PATIENCE_S * 1_000)}
REQUESTS = 500  # of a collector in a round, at most: what a quick machine makes of it
DUE_S = 600.0  # behind the last message: within it windows close, alerts and procedures are due
GARBAGE = {
    "sbi.events": frame("sbi_event_batch", b"\x08lab"),
    "sbi.kpi-deltas": frame("kpi_delta_batch", b"\xff\xff"),
    "sbi.transactions": b"no frame at all",
    "sbi.kpis": frame("kpi", b"\x02"),
    "sbi.procedures": frame("procedure", b"\x02"),
    "sbi.alerts": b"\xc3\x01garbage",
}


@dataclass(slots=True)
class Done:
    """What was done, and what was found right."""

    actions: dict[str, int]
    restarts: int
    seconds: float
    squared: Squared


def run(
    directory: Path, rounds: int, seed: int, rate: float, say: Callable[[str], None], requests: int = REQUESTS
) -> Done:
    """Play `rounds` rounds, let everything settle, square the accounts; raises AssertionError."""
    chance, begun = random.Random(seed), time.monotonic()
    done = dict.fromkeys(ACTIONS, 0)
    with running(directory, rate, requests) as field:
        planted: Planted = {}
        deck: list[str] = []
        field.wait(4)
        for number in range(rounds):
            field.begin_round(number + 1)
            _plant(field, chance, planted)
            for _ in range(EACH_ROUND):
                deck = deck or chance.sample(ACTIONS, len(ACTIONS))
                action = deck.pop()
                done[action] += 1
                say(f"round {number + 1}: {action}")
                _act(field, action, chance)
                field.wait(chance.uniform(0.5, 2.5))
        field.stop_collectors()
        squared = _settled(field, planted, say)
        codes = field.stop_workers()
        assert not any(codes.values()), codes
        assert square(field, planted) == squared
    return Done(done, field.restarts, round(time.monotonic() - begun, 1), squared)


def _act(field: Field, action: str, chance: random.Random) -> None:
    if action in STAGES:
        name = chance.choice([name for name in field.workers if name.startswith(action)])
        worker = field.workers[name]
        worker.send_signal(signal.SIGKILL)
        worker.wait(30)
        field.work(action, name)
    elif action == "broker":
        field.kafka.kill()
        field.wait(chance.uniform(0, 2))
        field.bring_broker_back()
    elif action == "front":
        field.front.kill()
        field.wait(chance.uniform(0, 3))
        field.front.start()
    elif action == "collector":
        node = chance.choice(list(field.collectors))
        field.collectors[node].send_signal(signal.SIGKILL)
        field.collectors[node].wait(30)
        field.collect(node)
    elif action == "add":
        field.work(chance.choice(STAGES))
    else:
        _remove(field, chance)


def _remove(field: Field, chance: random.Random) -> None:
    """Let a worker of a stage that has others end in order."""
    by_stage = {stage: [name for name in field.workers if name.startswith(stage)] for stage in STAGES}
    names = [name for many in by_stage.values() if len(many) > 1 for name in many]
    name = chance.choice(names)
    worker = field.workers.pop(name)
    worker.terminate()
    code = worker.wait(PATIENCE_S)
    assert code in {0, -signal.SIGTERM, 3}, f"{name}: {code} {field.log(name)}"


def _plant(field: Field, chance: random.Random, planted: Planted) -> None:
    """Write what no stage can read into each of their topics."""
    producer = Producer(
        {"bootstrap.servers": field.kafka.bootstrap, "enable.idempotence": True, "log_level": 0, **PATIENT}
    )

    def delivered(error: object, message: object) -> None:
        assert error is None
        place = message.topic(), message.partition(), message.offset()  # type: ignore[attr-defined]
        planted[place] = message.value()  # type: ignore[attr-defined]

    for topic, value in GARBAGE.items():
        producer.produce(topic, value, partition=chance.randrange(PARTITIONS), on_delivery=delivered)
    assert producer.flush(PATIENCE_S) == 0


def _settled(field: Field, planted: Planted, say: Callable[[str], None]) -> Squared:
    """Return the squared accounts once they are right, or why they are not.

    What is missing is lost only once every stage is through, or stands still. Alerts and procedures may be due later
    than the last message that led to them, which a quick machine is through with: those are waited for, and what they
    write is waited for again.
    """
    end: float | None = None
    while True:
        left = through(Kafka(field.kafka.bootstrap), field.wait)
        end = end or time.monotonic() + DUE_S
        say(f"behind: {left or 'nothing'}")
        try:
            squared = square(field, planted)
            assert all(squared.followed.values()), squared.followed
        except (AssertionError, KafkaException, *FAILURES) as wrong:
            if left:
                raise AssertionError(f"nothing moves any more, messages left by stage: {left}; {wrong}") from wrong
            if time.monotonic() > end:
                raise
            say(f"not yet: {str(wrong)[:300]}")
            field.wait(5)
        else:
            assert not left, f"all is right, but messages are left by stage: {left}"
            return squared
