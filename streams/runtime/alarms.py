"""How a sink tells by alerts that it stopped: raised and cleared by partition, as their states remember it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from zlib import crc32

import msgspec

from schemas.topics import JSON_SUFFIX
from streams.alert_row import encode
from streams.runtime.link import Broken, Link
from streams.runtime.snapshot import Snapshot
from streams.sink import POISON_LIMIT
from streams.sink_alarm import Alarm

Snapshots = dict[int, Snapshot]


class Alarms:
    """The alarms of one sink; `topics`: the partitions of the topics of alerts, `mark`: before an alert in Avro."""

    def __init__(self, stage: str, topics: Mapping[str, int], mark: bytes, link: Link) -> None:
        self._stage = stage
        self._topics = topics
        self._mark = mark
        self._link = link
        self._told: set[tuple[int, int]] = set()  # partition and version: said by this process

    def raised(self, held: Mapping[int, Snapshot], now_us: int) -> Snapshots:
        """Return the states of partitions whose alarm is to be told: raised now, or before by one who may have died."""
        found = {}
        for partition, snapshot in held.items():
            alarm = Alarm(self._stage, partition, snapshot.alarm)
            if not alarm.is_raised:
                found[partition] = replace(snapshot, alarm=alarm.turned(now_us).version, raised_us=now_us)
            elif (partition, snapshot.alarm) not in self._told:
                found[partition] = snapshot
        return found

    def cleared(self, held: Mapping[int, Snapshot], now_us: int) -> Snapshots:
        """Return the states of partitions whose alarm stood, cleared."""
        found = {}
        for partition, snapshot in held.items():
            alarm = Alarm(self._stage, partition, snapshot.alarm)
            if alarm.is_raised:
                found[partition] = replace(snapshot, alarm=alarm.turned(now_us).version)
        return found

    async def tell(self, changed: Mapping[int, Snapshot], why: str, now_us: int) -> None:
        """Send the alerts of `changed` and wait until they are delivered. Raises Broken."""
        flights = []
        for partition, snapshot in changed.items():
            alarm = Alarm(self._stage, partition, snapshot.alarm)
            messages = POISON_LIMIT + 1 if alarm.is_raised else 0
            event_us = snapshot.raised_us if alarm.is_raised else now_us  # told again, it is the same record
            record = alarm.record(event_us, snapshot.raised_us, why, messages, POISON_LIMIT)
            key = record["alarm_id"].encode()
            for topic, partitions in self._topics.items():
                value = msgspec.json.encode(record) if topic.endswith(JSON_SUFFIX) else self._mark + encode(record)
                flights.append(await self._link.send(topic, crc32(key) % partitions, key, value))
            self._told.add((partition, snapshot.alarm))
        for flight in flights:
            try:
                await asyncio.ensure_future(flight)
            except Exception as error:
                raise Broken(f"Kafka did not take the alert of {self._stage}: {error!r}") from error
