"""Alerts to an Alertmanager: what is posted, to a server that fails in every way, and to a real one."""

import asyncio
import itertools
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas.config import Alerts as Where
from schemas.fields import document
from schemas.refusal import Refusal
from streams import store as store_module
from streams.alert_row import encode
from streams.alertmanager import POSTED, postable, requests
from streams.alerts import ALERTS, ALERTS_JSON, Alerts
from streams.fold import Facts
from streams.sink import Gathering, Poisoned
from streams.stages import WEBHOOK
from streams.store import insist
from streams.webhook import Webhook
from tests.answering import answering
from tests.broker import free_ports
from tests.debian import installed
from tests.receiver import receiver
from tests.test_alerts import QUIET, Row, counts, run, window

ALERT = document("alert")
BAD = counts(100, unanswered=50)
MANAGER = "prometheus-alertmanager"


def told(keys: int, *windows: Row) -> list[Row]:
    """Return the alerts of some keys that all have the same windows."""
    rows = [
        window(number, **said) | {"kpi_id": f"{key:032x}", "producer_nf_instance": f"udm{key}"}
        for number, said in enumerate(windows)
        for key in range(keys)
    ]
    return run(Alerts(Facts(0, {ALERTS: 1, ALERTS_JSON: 1})), rows)


def delivered(alerts: list[Row], hook: Webhook, said: list[str] | None = None) -> list[Poisoned]:
    """Send alerts as the stage does: gathered to a block, insisted on; return what was set aside."""
    gathering = Gathering(WEBHOOK)
    gathering.assign(0, b"")
    for offset, alert in enumerate(alerts):
        body = encode(alert)
        assert gathering.take(0, offset, body, ALERT, body) is None
    return asyncio.run(
        insist(gathering.seal(), hook.store, (said if said is not None else []).append, server=hook.name)
    )


def change(posted: Row) -> tuple[str, bool]:
    """Return (alarm, whether it is over)."""
    return posted["labels"]["alarm_id"], posted["endsAt"] < "1975"


def test_an_alert_has_the_same_labels_when_it_is_raised_and_when_it_is_cleared() -> None:
    raised, cleared = (postable(one) for one in told(1, BAD, QUIET, QUIET))
    assert raised["labels"] == cleared["labels"]
    assert raised["labels"].items() >= {
        "alertname": "unanswered_ratio", "severity": "major", "operation": "Nudm_SDM_Get", "consumer_nf": "AMF",
        "producer_nf_instance": "udm0", "probable_cause": "responseTimeExcessive",
    }.items()  # fmt: skip
    assert "snssai" not in raised["labels"]
    assert (raised["startsAt"], cleared["startsAt"]) == ("1970-01-01T00:01:00.000000Z",) * 2
    assert (raised["endsAt"], cleared["endsAt"]) == ("1979-12-30T00:01:00.000000Z", "1970-01-01T00:03:00.000000Z")
    assert raised["annotations"]["summary"].startswith("unanswered / requests = 0.5, threshold 0.05, in 60 s")


def test_no_request_holds_an_alert_twice_and_none_too_many() -> None:
    many = told(POSTED + 7, BAD, QUIET, QUIET, BAD)
    bodies = [json.loads(body) for body in requests(many)]
    assert [one for body in bodies for one in body] == [postable(one) for one in many]
    for body in bodies:
        assert len({one["labels"]["alarm_id"] for one in body}) == len(body) <= POSTED


def test_whatever_fails_each_alert_is_delivered_and_its_clearance_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(store_module, "LONGEST_PAUSE_S", 0.02)
    script, said = itertools.cycle([503, 0, 200, 500, 1, 200, 404, 429, 200]), []  # type: ignore[var-annotated]
    alerts = told(53, BAD, QUIET, QUIET, BAD, QUIET, QUIET)
    with receiver() as there:
        there.answer = lambda _: next(script)
        assert delivered(alerts, Webhook(Where(there.url)), said) == []
        taken = [change(one) for one in there.taken]
        assert {*there.answers} == {200, 503, 0, 500, 1, 404, 429}
    assert len({*taken}) == 2 * 53
    assert len(taken) == len(alerts) + 53 == 5 * 53  # what was taken without a receipt came again
    for alarm in {one for one, _ in taken}:
        assert [over for one, over in taken if one == alarm] == [False, True, True, False, True]
    assert [line.split(",")[0].split(" is")[1] for line in said] == [" away", " back"]


def test_a_server_that_is_away_is_waited_for() -> None:
    with receiver() as there:
        port = there.url
    assert isinstance(Webhook(Where(port)), Webhook)
    hook, tries = Webhook(Where(port)), []

    def tell(line: str) -> None:
        tries.append(line)
        raise KeyboardInterrupt  # nothing else ends it

    gathering = Gathering(WEBHOOK)
    gathering.assign(0, b"")
    body = encode(told(1, BAD)[0])
    gathering.take(0, 0, body, ALERT, body)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(insist(gathering.seal(), hook.store, tell, server=hook.name))
    assert tries[0].startswith(f"{hook.name} is away, rows wait in Kafka")


def test_only_what_is_refused_for_itself_is_set_aside() -> None:
    alerts = told(19, BAD)
    wrong = alerts[11]["alarm_id"]
    with receiver() as there:
        there.answer = lambda posted: 400 if any(one["labels"]["alarm_id"] == wrong for one in posted) else 200
        (aside,) = delivered(alerts, Webhook(Where(there.url)))
        assert {one["labels"]["alarm_id"] for one in there.taken} == {one["alarm_id"] for one in alerts} - {wrong}
    assert (aside.offset, aside.reason) == (11, f"127.0.0.1:{there.server.server_port} refuses: 400 as told")


def test_name_and_password_go_along_and_are_never_told() -> None:
    with receiver() as there:
        where = Where(there.url.replace("//", "//noc:secret@"))
        hook = Webhook(where)
        assert delivered(told(1, BAD), hook) == []
        assert there.authorizations == ["Basic bm9jOnNlY3JldA=="]
    assert "secret" not in f"{where}{hook.name}"


@pytest.mark.parametrize("url", ["", "alertmanager:9093", "ftp://a", "file:///etc/passwd", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match=r"alerts\.webhook_url is not an address"):
        Webhook(Where(url))


@contextmanager
def manager(directory: Path) -> Iterator[str]:
    """Run a real Alertmanager; give its address."""
    settings = directory / "alertmanager.yml"
    settings.write_text("route: {receiver: none, group_wait: 1s}\nreceivers: [{name: none}]\n")
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [installed(MANAGER, MANAGER), f"--config.file={settings}", f"--storage.path={directory / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with answering(command, directory / "log", f"{url}/-/ready", 30):
        yield url


def active(url: str) -> list[Any]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=5) as answer:
        return list(json.load(answer))


def test_a_real_alertmanager_has_what_stands_and_drops_what_was_cleared(tmp_path: Path) -> None:
    now = time.time_ns() // 60_000_000_000
    shift_us = (now - 10) * 60_000_000
    raised, cleared = [], []  # type: ignore[var-annotated]
    for alert in told(7, BAD, QUIET, QUIET):
        moved = {name: alert[name] + shift_us for name in ("event_us", "window_start_us", "raised_us")}
        over = alert["cleared_us"] and {"cleared_us": alert["cleared_us"] + shift_us}
        (cleared if over else raised).append({**alert, **moved, **(over or {})})
    with manager(tmp_path) as url:
        hook = Webhook(Where(url))
        assert delivered(raised, hook) == []
        found = active(url)
        assert {one["labels"]["alarm_id"] for one in found} == {one["alarm_id"] for one in raised}
        (first,) = (one for one in found if one["labels"]["alarm_id"] == raised[0]["alarm_id"])
        assert first["labels"] == postable(raised[0])["labels"]
        assert first["annotations"] == postable(raised[0])["annotations"]
        assert delivered(cleared[:3], hook) == []
        left = {one["labels"]["alarm_id"] for one in active(url)}
        assert left == {one["alarm_id"] for one in raised} - {one["alarm_id"] for one in cleared[:3]}
