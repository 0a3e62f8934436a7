"""Which topics there are, and what each is: topics.yaml, read and checked."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from schemas.config import Kafka

FILE = Path(__file__).parent / "topics.yaml"
SCHEMAS = "sbi.schemas"
QUARANTINE = "sbi.quarantine"
JSON_SUFFIX = ".json"
MESSAGE_BYTES = 8_388_608  # batches and states are larger than Kafka's default of 1 MB
STATE = "sbi.state."
STATE_BYTES = 536_870_912  # kept of a partition's states; one is smaller than a worker's memory, only the last counts
STATE_SEGMENT_BYTES = 67_108_864  # what Kafka takes away at once


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic; `name` without the configured prefix, `retention_ms` -1 for ever, `schema` empty where none is."""

    name: str
    partitions: int
    retention_ms: int
    cleanup: str
    schema: str
    key: str
    record: str

    @property
    def keeps_states(self) -> bool:
        """Whether its messages are states of a stage."""
        return self.name.startswith(STATE)

    @property
    def settings(self) -> dict[str, str]:
        """The topic's settings as Kafka names them."""
        sizes = {"retention.bytes": str(STATE_BYTES), "segment.bytes": str(STATE_SEGMENT_BYTES)}
        return {
            **(sizes if self.keeps_states else {}),
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(MESSAGE_BYTES),
        }


@cache
def declared() -> dict[str, Topic]:
    """Return each topic of this release by its name; `partitions` 0 means as configured."""
    import yaml  # who knows the topics by name needs no list of them

    document = yaml.safe_load(FILE.read_text())
    known = {one.name for one in fields(Topic)} - {"name"}
    for name, entry in document.items():
        if set(entry) != known:
            raise ValueError(f"{FILE.name}: {name} has {sorted(entry)}, wanted {sorted(known)}")
    return {name: Topic(name=name, **entry) for name, entry in document.items()}


def partitions(topic: Topic, kafka: Kafka) -> int:
    """Return how many partitions `topic` has under this configuration."""
    return topic.partitions or kafka.partitions


def state_topic(stage: str) -> str:
    """Return the topic of a stage's states."""
    return STATE + stage
