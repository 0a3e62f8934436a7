"""Whether the stages are through: all that lay in a topic when its writer was through is taken and committed.

A stage commits behind what it wrote, and a sink behind its insert, so a topic's end is final once its writer is through
with what that reads. Ticks go on for ever: only offsets below that end are counted.
"""

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as Unanswered
from dataclasses import dataclass, field

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.kafka_bounds import bounds
from streams.stages import NAMES, inputs

ANSWER_S = 30.0
STALLED_S = 300.0
WRITERS = {
    "sbi.transactions": "pairing",
    "sbi.kpi-deltas": "pairing",
    "sbi.kpis": "kpis",
    "sbi.procedures": "procedures",
    "sbi.alerts": "alerts",
}
Ends = dict[int, int]  # offset by partition
Ask = Callable[[str, str], tuple[Ends, Ends]]  # (stage, topic) → ends of the topic, places committed by the stage


@dataclass(slots=True)
class Progress:
    """How far the stages are on their way to the ends of their topics."""

    ask: Ask
    ends: dict[str, Ends] = field(default_factory=dict)  # of topics whose writer is through
    behind: dict[str, int] = field(default_factory=dict)  # messages, by stage that is not through
    taken: int = 0

    def look(self) -> bool:
        """Ask all stages in the order of their topics; return whether anything moved since the last look."""
        before, behind, taken = (self.taken, len(self.ends)), {}, 0
        for stage, topic in inputs(NAMES):
            ends, places = self.ask(stage, topic)
            is_final = topic in self.ends or WRITERS.get(topic) not in behind
            ends = self.ends.setdefault(topic, ends) if is_final else ends
            taken += sum(min(places[one], end) for one, end in ends.items())
            left = sum(max(0, end - places[one]) for one, end in ends.items())
            if left or not is_final:
                behind[stage] = left
        self.behind, self.taken = behind, taken
        return (self.taken, len(self.ends)) != before


@dataclass(slots=True)
class Kafka:
    """Asks a broker; one that does not answer raises KafkaException or Unanswered."""

    bootstrap: str

    def __call__(self, stage: str, topic: str) -> tuple[Ends, Ends]:
        settings = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        admin = AdminClient(settings)
        consumer = Consumer({**settings, "group.id": "reading", "enable.auto.commit": False})
        try:
            partitions = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions
            asked = [TopicPartition(topic, one) for one in partitions]
            (told,) = admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(f"sbiscope-{stage}", asked)]
            ).values()
            committed = {one.partition: one.offset for one in told.result(ANSWER_S).topic_partitions}
            found = {one.partition: bounds(consumer, one, ANSWER_S) for one in asked}
        finally:
            consumer.close()
        ends = {one: end for one, (_, end) in found.items()}
        return ends, {one: max(begin, committed.get(one, 0)) for one, (begin, _) in found.items()}


def through(ask: Ask, wait: Callable[[float], None], stalled_s: float = STALLED_S) -> dict[str, int]:
    """Wait until all stages are through; return what is left by stage once nothing has moved for `stalled_s`."""
    progress, moved = Progress(ask), time.monotonic()
    while True:
        try:
            if progress.look():
                moved = time.monotonic()
            if not progress.behind:
                return {}
        except (KafkaException, Unanswered) as error:
            progress.behind[f"the broker: {error}"] = 1  # it did not answer: asked again, as whatever stands still
        if time.monotonic() - moved > stalled_s:
            return progress.behind
        wait(1)
