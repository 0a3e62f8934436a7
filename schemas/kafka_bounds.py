"""Where a partition begins and ends, asked again while the cluster elects its leader."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

CONTACT_S = 10.0
ELECTION_S = 20.0  # a broker that has just come back leads nothing for a moment
AGAIN_S = 0.2
ELECTING = frozenset({KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION})


def bounds(consumer: Consumer, place: TopicPartition, timeout_s: float = CONTACT_S) -> tuple[int, int]:
    """Return the first offset that a partition holds and the one after its last. Raises KafkaException.

    `timeout_s`: how long one answer may take; an election is waited for besides, up to ELECTION_S.
    """
    until = time.monotonic() + ELECTION_S
    while True:
        try:
            begin, end = consumer.get_watermark_offsets(place, timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in ELECTING or time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
        else:
            return begin, end
