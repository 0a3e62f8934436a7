"""`sbiscope decode --alerts`: what the stages on Kafka would raise of a capture, without any server."""

from typing import Any

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
