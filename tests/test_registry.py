"""Schemas in a registry: registered once, found by id, in Confluent's framing; a small one, and a real Apicurio."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from deploy.registry import marks, registered
from schemas.config import Kafka
from schemas.fields import document
from schemas.framing import confluent_id, frame, published, schema_text, unframe
from schemas.refusal import Refusal
from schemas.topics import SCHEMAS, declared
from streams.runtime.reader import Reader
from streams.runtime.writers import Writers
from tests import registry
from tests.broker import free_ports
from tests.examples import FOLDER
from tests.mock_broker import mock_broker

EXAMPLE = Path(__file__).parent.parent / "deploy" / "examples" / "consume.py"


@pytest.fixture(scope="module", params=["small", "apicurio"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    one = registry.small() if request.param == "small" else registry.apicurio(tmp_path_factory.mktemp("registry"))
    with one as where:
        yield where


def test_every_schema_of_a_topic_is_registered_once_and_found_by_its_id(url: str) -> None:
    kafka = Kafka(registry_url=url, topic_prefix="noc.")
    first = marks(kafka)
    assert first == marks(kafka)
    assert first.keys() == {topic.schema for topic in declared().values() if topic.schema} == set(published())
    ask = registered(kafka)
    assert ask is not None
    for name, mark in first.items():
        number = confluent_id(mark)
        assert number is not None
        assert json.loads(asyncio.run(ask(number))) == json.loads(schema_text(name))  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        asyncio.run(ask(987_654))  # type: ignore[arg-type]


def body(name: str) -> bytes:
    return unframe((FOLDER / f"{name}.avro").read_bytes())[1]


def test_stages_read_both_framings_in_one_topic(url: str) -> None:
    kafka = Kafka(registry_url=url)
    mark = marks(kafka)["kpi"]
    writers = Writers(Reader({}, ""), registered(kafka))

    async def opened() -> list[Any]:
        values = (mark + body("kpi"), frame("kpi", body("kpi")), b"\0\0\x0f\0\0" + body("kpi"))
        return [await writers.open(value) for value in values]

    by_id, by_mark, unknown = asyncio.run(opened())
    assert by_id.body == by_mark.body == body("kpi")
    assert json.loads(json.dumps(by_id.schema)) == document("kpi")
    assert unknown.bad == "its schema 00000f0000 is not published"


def test_the_plain_consumer_reads_both_framings(url: str) -> None:
    with mock_broker() as bootstrap:
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        name = "alert"
        producer.produce(SCHEMAS, schema_text(name), frame(name, b"")[2:])
        for value in (frame(name, body(name)), marks(Kafka(registry_url=url))[name] + body(name)):
            producer.produce("sbi.alerts", value, b"key")
        assert producer.flush(20) == 0
        words = [sys.executable, str(EXAMPLE), bootstrap, "sbi.alerts", url]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [json.loads((FOLDER / f"{name}.json").read_text())] * 2


def test_a_registry_that_is_away_or_refuses_is_told_in_one_line() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Refusal, match="cannot reach the schema registry"):
        marks(Kafka(registry_url=f"http://127.0.0.1:{port}"))
    with pytest.raises(Refusal, match="not a registry's address"):
        marks(Kafka(registry_url="file:///etc/passwd"))
    with registry.small() as where:
        taken = Kafka(registry_url=where)
        request = json.dumps({"schema": json.dumps({"type": "record", "name": "Other", "fields": []})}).encode()
        urllib.request.urlopen(f"{where}/subjects/sbi.kpis-value/versions", request).close()
        with pytest.raises(Refusal, match=r"the schema registry refuses.*409"):
            marks(taken)
