"""deploy/stack/kafka.py, jars.py: the broker comes up, keeps what it took through kill -9; what is missing is said."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from deploy.stack import jars, kafka
from schemas.refusal import Refusal
from tests.broker import broker

LARGE = 7_900_000


def produce(bootstrap: str, *values: bytes) -> None:
    settings = {"bootstrap.servers": bootstrap, "log_level": 0, "enable.idempotence": True}
    producer = Producer({**settings, "compression.type": "lz4", "message.max.bytes": 8_000_000})
    for value in values:
        producer.produce("t", value, partition=1)
    assert producer.flush(30) == 0


def values(bootstrap: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 0})
    try:
        begin, end = consumer.get_watermark_offsets(TopicPartition("t", 1), timeout=20)
        consumer.assign([TopicPartition("t", 1, begin)])
        messages = [consumer.poll(20) for _ in range(begin, end)]
        return [len(message.value()) for message in messages if message is not None]
    finally:
        consumer.close()


@pytest.mark.stack
def test_the_broker_takes_large_messages_and_keeps_them_through_kill_and_stop() -> None:
    with broker() as one:
        (made,) = one.admin.create_topics([NewTopic("t", 4, 1, config={"message.timestamp.type": "LogAppendTime"})])
        assert made == "t"
        while "t" not in one.admin.list_topics(timeout=5).topics:
            pass
        produce(one.bootstrap, b"a" * 23, bytes(LARGE))
        one.kill()
        one.start()
        produce(one.bootstrap, b"b")
        one.stop()
        one.start()
        assert values(one.bootstrap) == [23, LARGE, 1]


def test_without_maven_or_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("SBISCOPE_CACHE", str(tmp_path))
    with pytest.raises(Refusal, match=r"Maven is missing.*apt-get install maven"):
        jars.fetch(print)
    with pytest.raises(Refusal, match=r"needs Java 17.*apt-get install openjdk"):
        kafka.java()


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Refusal, match=r"needs Java 17.*11\.0\.2"):
        kafka.java()


def test_maven_that_fails_or_brings_another_jar_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SBISCOPE_CACHE", str(tmp_path / "cache"))
    program(tmp_path / "mvn", "echo '[ERROR] no network'; exit 1")
    with pytest.raises(Refusal, match="Maven could not fetch Kafka: no network"):
        jars.fetch(print)
    program(
        tmp_path / "mvn",
        'for w; do case $w in -DoutputDirectory=*) d=${w#*=};; esac; done; mkdir -p "$d"; echo x >"$d/evil.jar"',
    )
    with pytest.raises(Refusal, match="not the one that was checked"):
        jars.fetch(print)
    assert not list((tmp_path / "cache").iterdir())
