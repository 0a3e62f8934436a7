"""The suite capture seen by two collectors: the same exchanges and procedures as of the whole, no subscriber wrong."""

import heapq
import json
import os
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collector.avro import encode_batch
from collector.batch import Batch
from collector.meaning import Meaning
from collector.pcap_source import PcapSource
from collector.pseudonym import Pseudonyms
from deploy.capture import run_capture
from schemas.config import Config, Streams
from schemas.fields import document, fields_of
from streams.fold import Facts, Rows, batch_body
from streams.pairing import TRANSACTIONS, Pairing
from streams.procedures import PROCEDURES_JSON, Procedures
from tests import tshark
from tests.local_stack import local_stack, until
from tests.test_decode import lines, sbiscope
from tests.test_pcap_source import packets_of
from tests.wire import Timed, pcap

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"
SCP, PARTITIONS = "127.0.0.200", 4
EVENTS, BATCHES = document("sbi_event_batch"), document("sbi_transaction_batch")
Row = dict[str, Any]
# What follows from earlier exchanges, whom it is about above all, may be lacking where the other collector saw them.
LEARNED = {
    "supi", "supi_source", "subscriber_reference", "gpsi", "pei", "pdu_session_id", "snssai", "dnn", "plmn", "guami",
    "consumer_nf", "consumer_nf_source", "consumer_nf_instance", "producer_nf", "producer_nf_source",
    "producer_nf_instance", "operation", "operation_id", "operation_source", "service", "api_version", "resource",
    "callback", "to_proxy",
}  # fmt: skip
OWN = {"transaction_id", "request_event_id", "response_event_id", "connection_id", "incarnation", "node"}


def place(row: Row) -> tuple[Any, ...]:
    return row["client_address"], row["client_port"], row["server_address"], row["stream_id"], row["request_us"]


@pytest.fixture(scope="module")
def whole() -> dict[tuple[Any, ...], Row]:
    return {place(row): row for row in lines(sbiscope("decode", "--transactions", SUITE))}


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory, whole: dict[tuple[Any, ...], Row]) -> list[Path]:
    """Return two captures, each with half of the connections."""
    ports = {(row["client_port"], row["server_port"]) for row in whole.values()}
    places = [{pair for pair in ports if sum(pair) // 2 % 2 == number} for number in (0, 1)]
    return written(tmp_path_factory.mktemp("halves"), places)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory, whole: dict[tuple[Any, ...], Row]) -> list[Path]:
    """Return what two nodes see of their own NFs' connections: AMF and SMF on the first, all others on the second."""
    first, second = set(), set()
    for row in whole.values():
        client = row["consumer_nf"] if row["server_address"] == SCP else "SCP"
        server = "SCP" if row["server_address"] == SCP else row["producer_nf"]
        pair = (row["client_port"], row["server_port"])
        if {client, server} & {"AMF", "SMF"}:
            first.add(pair)
        if {client, server} - {"AMF", "SMF"}:
            second.add(pair)
    return written(tmp_path_factory.mktemp("ends"), [first, second])


def written(folder: Path, places: list[set[tuple[int, int]]]) -> list[Path]:
    """Write one capture for each set of ports, with the connections between them."""
    packets: list[list[Timed]] = [[] for _ in places]
    for time_ns, frame in packets_of(SUITE):
        ports = struct.unpack_from(">HH", frame, 14 + (frame[14] & 15) * 4)  # behind Ethernet and IPv4
        for own, pairs in zip(packets, places, strict=True):
            if ports in pairs or ports[::-1] in pairs:
                own.append((time_ns, frame))
    paths = [folder / f"{number}.pcap" for number in range(len(places))]
    for path, own in zip(paths, packets, strict=True):
        path.write_bytes(pcap(own))
    return paths


@pytest.fixture(scope="module")
def split(halves: list[Path]) -> list[Row]:
    return transactions(halves)


def transactions(paths: list[Path]) -> list[Row]:
    """Return the transactions of both collectors."""
    return [
        row
        for number, path in enumerate(paths)
        for row in lines(sbiscope("decode", "--transactions", "--node", f"n{number}", path))
    ]


def test_the_exchanges_are_the_same(whole: dict[tuple[Any, ...], Row], split: list[Row]) -> None:
    assert Counter(map(place, split)) == Counter(list(whole))
    assert min(Counter(row["node"] for row in split).values()) > 0.2 * len(split)
    for row in split:
        other = whole[place(row)]
        differing = {name for name in row if row[name] != other[name]}
        assert differing <= LEARNED | OWN, (differing, row, other)


def test_no_subscriber_is_wrong_and_what_is_lacking_is_said(
    whole: dict[tuple[Any, ...], Row], split: list[Row]
) -> None:
    """A reference learned by the other collector stays in its own column (DESIGN 7), never a guess."""
    named = [row for row in split if whole[place(row)]["supi"] is not None]
    right = [row for row in named if row["supi"] == whole[place(row)]["supi"]]
    lacking = [row for row in named if row["supi"] is None]
    assert len(right) + len(lacking) == len(named)
    assert not [row for row in split if whole[place(row)]["supi"] is None and row["supi"] is not None]
    assert all(row["subscriber_reference"] for row in lacking)
    assert len(right) >= 0.99 * len(named)


def test_where_each_node_sees_its_own_ends_every_request_is_bound(
    whole: dict[tuple[Any, ...], Row], ends: list[Path]
) -> None:
    """Whom one end or hop could not name, another does: no stage has to bind references between agents."""
    named: dict[str, set[str]] = {}
    rows = transactions(ends)
    assert len(rows) > 1.2 * len(whole)
    for row in rows:
        if row["supi"] is not None:
            named.setdefault(row["request_key"] or row["exchange_key"], set()).add(row["supi"])
    for row in rows:
        supi = whole[place(row)]["supi"]
        assert named.get(row["request_key"] or row["exchange_key"], set()) == ({supi} if supi else set())


def batches(path: Path, node: str) -> list[tuple[int, bytes]]:
    """Return what a collector publishes of a capture: (time in ms, batch)."""
    config = Config()
    config = replace(config, site=replace(config.site, node=node))
    meaning, put = Meaning(Pseudonyms(None)), list[Batch]()
    run_capture(PcapSource(path), config, meaning.event, put.append, meaning.losses)
    return [(one.header.clock_us // 1_000, encode_batch(one.header, one.events)) for one in put]


def procedures(paths: list[Path]) -> list[Row]:
    """Return the procedures of captures loaded side by side: a partition of events each, four of transactions."""
    loads = [[(time, number, one) for time, one in batches(path, f"n{number}")] for number, path in enumerate(paths)]
    pairings = [Pairing(Facts(number, {TRANSACTIONS: PARTITIONS}), Streams()) for number in range(len(paths))]
    folds = [Procedures(Facts(number, {PROCEDURES_JSON: 1})) for number in range(PARTITIONS)]
    out: list[Rows] = []
    at_ms = 0
    for at_ms, (_, number, body) in enumerate(heapq.merge(*loads)):
        for rows in pairings[number].apply(at_ms, EVENTS, body):
            own = batch_body(number, rows.first_number, rows.records)
            out += folds[rows.partition].apply(at_ms, BATCHES, own)
    for second in range(60):
        for fold in folds:
            out += fold.apply(at_ms + second * 1_000, None, b"")
    assert all(fold.counts["rows"] for fold in folds)
    return [json.loads(record) for rows in out for record in rows.records]


def told(rows: list[Row], names: set[str]) -> dict[str, Row]:
    """Return these fields of procedures, by id; each is there once."""
    found = {row["procedure_id"]: {name: row[name] for name in names & row.keys()} for row in rows}
    assert len(found) == len(rows)
    return found


VERDICT = {"kind", "supi", "pdu_session_id", "outcome", "failed_step", "failed_producer_nf", "failed_status"}
SEEN = {name for name, _ in fields_of("procedure", "Procedure")} - {"node", "step_transactions"}  # all but who saw it


@pytest.fixture(scope="module")
def wanted() -> list[Row]:
    return lines(sbiscope("decode", "--procedures", "--plain-identifiers", SUITE))


def test_nodes_that_see_their_own_ends_give_the_procedures_of_the_whole(wanted: list[Row], ends: list[Path]) -> None:
    assert told(procedures(ends), SEEN) == told(wanted, SEEN)


def test_halves_give_the_same_verdicts_and_lack_a_step_where_it_names_nobody(
    wanted: list[Row], halves: list[Path]
) -> None:
    found = procedures(halves)
    assert told(found, VERDICT) == told(wanted, VERDICT)
    right, own = told(wanted, SEEN), told(found, SEEN)
    assert sum(own[name] != row for name, row in right.items()) <= 0.01 * len(right)


@pytest.mark.stack
@pytest.mark.skipif(not os.environ.get("SBISCOPE_LONG"), reason="SBISCOPE_LONG is not set: a minute, and a stack")
def test_so_does_the_real_kafka(wanted: list[Row], ends: list[Path], tmp_path: Path) -> None:
    """Both captures are loaded at once, each as its node's."""
    with local_stack(tmp_path, SBISCOPE_COLLECTOR_PLAIN_IDENTIFIERS="true") as stack:
        loads = [
            stack.start("collect", "--source", str(path), "--node", f"n{number}") for number, path in enumerate(ends)
        ]
        assert [(one.communicate()[1], one.returncode)[1] for one in loads] == [0, 0]
        until(lambda: stack.count("SELECT count() FROM procedures_once") >= len(wanted))
        assert told(stack.rows("SELECT * FROM procedures_once"), SEEN) == told(wanted, SEEN)
        (spread,) = stack.rows("SELECT uniqExact(node) AS nodes, count() AS many FROM transactions FINAL")
        assert spread["nodes"] == 2
