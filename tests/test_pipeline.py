"""From a capture to its batches: always the same ones, no event lost, the watermark's promise kept."""

from pathlib import Path
from typing import Any

import pytest

from collector.avro import BatchHeader
from collector.batch import Batch, Batcher, BatchRules
from collector.connections import Bounds, Connections
from collector.message import Half, Limits
from collector.pcap_source import PcapSource
from collector.pipeline import Pipeline
from tests import tshark
from tests.test_pcap_source import packets_of
from tests.wire import pcap

FULL = tshark.CAPTURES / "open5gs-registration-full.pcapng"


def batches_of(path: Path, connections: Connections | None = None) -> list[Batch]:
    """Return the batches of a capture; an event is what the watermark and the counts can be checked by."""
    out: list[Batch] = []
    source = PcapSource(path)
    connections = connections or Connections(Limits(), Bounds())
    first = BatchHeader("lab", "n1", 0, f"capture:{source.digest}", 1, 0, 1, final=False, loss={})

    def event(ends: Any, message: Any) -> tuple[Any, ...]:
        return ends.connection_id, message.stream_id, message.half, message.first_byte_ns // 1_000

    pipeline = Pipeline(connections, event, Batcher(first, BatchRules()), out.append)
    source.run(connections, pipeline.tick)
    pipeline.finish(source.now_ns)
    return out


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    """Return the batches of the registration capture."""
    return batches_of(FULL)


def test_every_message_is_in_one_batch(batches: list[Batch]) -> None:
    events = [event for batch in batches for event in batch.events]
    assert len(set(events)) == len(events)
    assert [sum(half == wanted for _, _, half, _ in events) for wanted in (Half.REQUEST, Half.RESPONSE)] == [1372, 1372]


def test_batches_are_numbered_bounded_and_ended(batches: list[Batch]) -> None:
    assert [batch.header.sequence for batch in batches] == list(range(1, len(batches) + 1))
    assert [batch.header.final for batch in batches] == [False] * (len(batches) - 1) + [True]
    assert max(len(batch.events) for batch in batches) <= 200
    assert len(batches) < 300


def test_no_event_begins_before_the_watermark_of_a_batch_before_its_own(batches: list[Batch]) -> None:
    promised_us = 0
    for batch in batches:
        assert all(begun_us >= promised_us for _, _, _, begun_us in batch.events)
        assert batch.header.watermark_us >= promised_us
        promised_us = batch.header.watermark_us


def test_the_same_capture_gives_the_same_batches(batches: list[Batch], monkeypatch: pytest.MonkeyPatch) -> None:
    assert batches_of(FULL) == batches
    monkeypatch.setattr("collector.pcap_source.PIECE", 1_000)
    assert batches_of(FULL) == batches


def test_loss_of_every_layer_travels_in_the_header(tmp_path: Path) -> None:
    path = tmp_path / "snapped.pcap"
    path.write_bytes(pcap([*packets_of(FULL), (10**18, bytes(14))], snap=400))
    *_, last = batches_of(path)
    assert {"cut_packets", "missing_bytes"} <= set(last.header.loss)
