"""What is missing at the end of chaos is lost only once every stage is through: told on places instead of a broker."""

import pytest
from confluent_kafka import KafkaException

from tests.chaos.lag import Ends, through

Turn = tuple[dict[str, int], dict[str, int]]  # ends by topic, places by stage; a stage not named is at the end
EVENTS, TRANSACTIONS = "sbi.events", "sbi.transactions"
PAIRING, PROCEDURES, SINK = "pairing", "procedures", "sink-transactions"
AWAY: Turn = {EVENTS: -1}, {}


class Places:
    """Ends and committed places, turn by turn; the last turn stays."""

    def __init__(self, turns: list[Turn]) -> None:
        self.turns = list(turns)

    def __call__(self, stage: str, topic: str) -> tuple[Ends, Ends]:
        ends, places = self.turns[0]
        end = ends.get(topic, 0)
        if end < 0:
            raise KafkaException("away")
        return {0: end}, {0: places.get(stage, end)}

    def turn(self, _: float) -> None:
        if len(self.turns) > 1:
            del self.turns[0]


@pytest.mark.parametrize(
    ("said", "turns", "left"),
    [
        ("all are through at once", [({EVENTS: 9, TRANSACTIONS: 5}, {})], {}),
        ("the sink takes what pairing wrote late", [
            ({EVENTS: 9, TRANSACTIONS: 2}, {PAIRING: 3}),
            ({EVENTS: 9, TRANSACTIONS: 7}, {SINK: 2}),
            ({EVENTS: 9, TRANSACTIONS: 7}, {})], {}),
        ("ticks go on for ever and do not count", [
            ({EVENTS: 9, TRANSACTIONS: 5}, {SINK: 4}), ({EVENTS: 9, TRANSACTIONS: 8}, {SINK: 5, PROCEDURES: 6})], {}),
        ("a broker that is away is asked again", [AWAY, ({EVENTS: 9}, {})], {}),
        ("a broker that stays away", [AWAY], {"the broker: away": 1}),
        ("a stage that stands still, and who waits for it", [
            ({EVENTS: 9, TRANSACTIONS: 2}, {PAIRING: 3})], {PAIRING: 6, SINK: 0, PROCEDURES: 0}),
        ("a sink that stands still", [({EVENTS: 9, TRANSACTIONS: 7}, {SINK: 2})], {SINK: 5}),
    ],
)  # fmt: skip
def test_through(said: str, turns: list[Turn], left: dict[str, int]) -> None:
    places = Places(turns)
    found = through(places, places.turn, stalled_s=0.05)
    assert {stage: found.get(stage) for stage in left} == left, said
    assert bool(found) == bool(left), said
    assert len(places.turns) == 1, said
