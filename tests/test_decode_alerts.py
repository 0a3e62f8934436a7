"""`sbiscope decode --alerts`: what the stages on Kafka would raise of a capture, without any server."""

from typing import Any

from collector.avro import encode_batch
from collector.batch import Batch
from collector.pcap_source import PcapSource
from deploy.capture import meaning_of, run_capture
from schemas.config import Config, Streams
from schemas.fields import document
from streams.alert_shown import writer_of
from streams.fold import Facts, batch_body
from streams.kpi_cells import DELTAS
from streams.kpi_delta import DeltaReader
from streams.pairing import TRANSACTIONS, Pairing
from tests import tshark
from tests.kpis import of_capture
from tests.test_alerts import FACTS, Alerts, run
from tests.test_decode import lines, sbiscope

SUITE = tshark.CAPTURES / "open5gs-suite-scp.pcapng"


def test_of_the_whole_suite_only_what_a_hand_asked_past_the_proxy_is_an_alert() -> None:
    """Its recorder asked with `User-Agent: AMF` for what is an AUSF's, a UDM's and a PCF's; all else has its reason."""
    found = lines(sbiscope("decode", "--alerts", "--site", "lab", "--node", "n1", SUITE))
    assert [(one["specific_problem"], one["consumer_nf"], one["operation"], one["dnn"]) for one in found] == [
        ("outside_role", "AMF", "Nudm_UEAuthentication_Get", None),
        ("outside_role", "AMF", "Nudr_DM_Query", None),
        ("outside_role", "AMF", "Nudr_DM_Query", None),
        ("outside_role", "AMF", "Nudr_DM_Query", "internet"),
    ]
    assert all(one["perceived_severity"] == "warning" and one["cleared_us"] is None for one in found)


def test_the_lines_are_what_the_alert_fold_makes_of_the_kpis() -> None:
    named = {"site": "lab", "node": "n1"}
    wanted: list[dict[str, Any]] = run(Alerts(FACTS), [row | named for row in of_capture(SUITE).published])
    told = lines(sbiscope("decode", "--alerts", "--site", "lab", "--node", "n1", SUITE))
    what = ("specific_problem", "event_us", "operation", "snssai", "dnn", "plmn", "observed")
    assert sorted(str([one[name] for name in what]) for one in told) == sorted(
        str([one[name] for name in what]) for one in wanted
    )


def test_a_kpis_operation_tells_which_partition_of_the_kpi_stage_told_it() -> None:
    """Absence rests on it: each cell of a real core lies in the partition that the alert fold takes it from."""
    pairing, reader, config = Pairing(Facts(0, {TRANSACTIONS: 1, DELTAS: 7}), Streams()), DeltaReader(), Config()
    found: set[tuple[str | None, int]] = set()

    def put(one: Batch) -> None:
        now_ms = one.header.clock_us // 1_000
        for rows in pairing.apply(now_ms, document("sbi_event_batch"), encode_batch(one.header, one.events)):
            if rows.topic != DELTAS:
                continue
            batch = reader.read(document("kpi_delta_batch"), batch_body(0, rows.first_number, rows.records))
            found.update((cell.key.operation, rows.partition) for delta in batch.deltas for cell in delta.cells)

    run_capture(PcapSource(SUITE), config, meaning_of(config.collector), put)
    assert len({partition for _, partition in found}) == 7
    assert len(found) > 30
    assert [one for one in found if writer_of(one[0], 7) != one[1]] == []
