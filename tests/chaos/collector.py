"""A synthetic collector with a journal of what Kafka took: `… BOOTSTRAP NODE NAME JOURNAL PARTITION RATE ROUND`.

The file ROUND holds which round it is and how many requests a collector may send in one: a slow machine, whose rounds
take long, has no more to do than a quick one.

It keeps the collectors' promise (DESIGN 6) as a real one does: numbered batches, watermark, repeats now and then, a
final batch on SIGTERM. Killed, it leaves requests open, which the next incarnation on its shard never answers.
"""

import heapq
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from schemas.framing import frame
from tests.events import Event, batch, request, response

FLUSH_S = 0.1
PATIENCE_S = 900.0  # with a broker of a machine under load
REPEATED = 0.03  # batches written a second time
MAX_RSP_MS = (400, 1_500, None)
TOOK_S = (0.001, 0.02, 0.3, 0.9)
STATUS = (200, 201, 204, 404, 403, 503)
UNANSWERED = 0.05
SESSION = "Nsmf_PDUSession_CreateSMContext"  # it begins a procedure
OPERATIONS = ("Nnrf_NFDiscovery_Request", "Nudm_SDM_Get", SESSION, None)


class Load:
    """What happens on one node, and what of it is to be told next."""

    def __init__(self, chance: random.Random, node: str, name: str, rate: float) -> None:
        self.chance, self.node, self.name, self.rate = chance, node, name, rate
        self.answers: list[tuple[int, int, Event]] = []
        self.stream = 1
        self.asked = 0

    def until(self, since_us: int, now_us: int, most: int) -> list[Event]:
        """Return the halves of [since, now), at most `most` of them requests."""
        halves: list[tuple[int, Event]] = []
        for _ in range(min(most, round(self.rate * (now_us - since_us) / 1e6))):
            at_us = self.chance.randrange(since_us, now_us)
            halves.append((at_us, self._asked(at_us)))
        while self.answers and self.answers[0][0] < now_us:
            at_us, _, event = heapq.heappop(self.answers)
            halves.append((at_us, event))
        return [event for _, event in sorted(halves, key=lambda one: one[0])]

    def _asked(self, at_us: int) -> Event:
        chance, stream = self.chance, self.stream
        self.stream += 2
        self.asked += 1
        connection = f"{self.node}/{self.name}/{stream % 5}"
        said: dict[str, Any] = {
            "operation": chance.choice(OPERATIONS),
            "supi": f"imsi-{chance.randrange(50)}",
            "vantage": "server",
            "server_address": f"10.1.0.{sum(self.node.encode()) % 250}",
            "producer_nf": "UDM",
        }
        if said["operation"] == SESSION:
            said |= {"consumer_nf": "AMF", "producer_nf": "SMF", "pdu_session_id": stream % 3 + 1}
        if chance.random() >= UNANSWERED:
            then_us = at_us + round(chance.choice(TOOK_S) * chance.uniform(0.5, 1.5) * 1e6)
            told = response(stream, then_us, connection, status=chance.choice(STATUS), **said)
            heapq.heappush(self.answers, (then_us, stream, told))
        limit = chance.choice(MAX_RSP_MS)
        return request(stream, at_us, connection, max_rsp_time_ms=limit, body_bytes=stream % 97, **said)


class Allowance:
    """How many requests may still be sent in this round."""

    def __init__(self, file: Path) -> None:
        self.file, self.told, self.since = file, "", 0

    def left(self, asked: int) -> int:
        """Return it for a collector that has sent `asked` in all."""
        told = self.file.read_text()
        if told != self.told:
            self.told, self.since = told, asked
        return self.since + int(told.split()[1]) - asked


def run(bootstrap: str, node: str, name: str, journal: Path, partition: int, rate: float, allowed: Path) -> None:
    """Write batches until SIGTERM, then wait for the last answers and end in order."""
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(1))
    chance = random.Random(f"{node}/{name}")
    load, allowance = Load(chance, node, name, rate), Allowance(allowed)
    settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
    settings |= {"message.timeout.ms": round(PATIENCE_S * 1_000)}
    producer = Producer(settings | {"topic.metadata.refresh.interval.ms": 1_000, "reconnect.backoff.max.ms": 500})
    with journal.open("a", buffering=1) as taken:
        sequence, since_us = 0, time.time_ns() // 1_000
        while True:
            time.sleep(FLUSH_S)
            now_us = time.time_ns() // 1_000
            over = bool(ending) and not load.answers
            most = 0 if ending else allowance.left(load.asked)
            events, sequence = load.until(since_us, now_us, most), sequence + 1
            since_us = now_us
            value = frame("sbi_event_batch", batch(sequence, events, now_us, node, name, None, now_us, over))
            _send(producer, value, partition, taken, f"{node} {name} {sequence}")
            if chance.random() < REPEATED:
                _send(producer, value, partition, taken, f"{node} {name} {sequence}")
            producer.poll(0)
            if over:
                break
        left = producer.flush(PATIENCE_S)
    sys.exit(1 if left else 0)


def _send(producer: Producer, value: bytes, partition: int, taken: Any, line: str) -> None:
    def delivered(error: object, _: object) -> None:
        if error is None:
            taken.write(f"{line}\n")

    producer.produce("sbi.events", value, partition=partition, on_delivery=delivered)


if __name__ == "__main__":
    run(
        sys.argv[1],
        sys.argv[2],
        sys.argv[3],
        Path(sys.argv[4]),
        int(sys.argv[5]),
        float(sys.argv[6]),
        Path(sys.argv[7]),
    )
