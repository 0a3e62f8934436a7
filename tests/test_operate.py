"""A running installation as its operator sees it: a worker's metrics, every panel of every dashboard."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from collector.agent_status import exposition
from collector.health import HealthServer
from streams.clickhouse import connect
from tests.local_stack import until
from tests.operated import EXCHANGES, Installation, installation
from tests.prometheus import prometheus
from tests.test_agent_status import STATUS
from tests.test_prometheus import NAMES, RULES, asked, resolver_text

pytestmark = pytest.mark.stack
GRAFANA = Path(__file__).parent.parent / "deploy" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"] if panel["type"] != "text"]
SHOWN = [f"{name}: {panel['title']}" for name, panel in PANELS]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("installation")) as one:
        yield one


@pytest.fixture(scope="module")
def reader(running: Installation) -> Iterator[Client]:
    client = connect(running.front.account("sbiscope", reader=True))
    yield client
    client.close()


def value(text: str, name: str, **labels: str) -> float:
    shown = ",".join(f'{label}="{one}"' for label, one in labels.items())
    (found,) = re.findall(rf"^{name}\{{{re.escape(shown)}\}} (\S+)$", text, re.MULTILINE)
    return float(found)


def test_a_worker_serves_its_metrics(running: Installation) -> None:
    status, kind, text = running.http("/metrics")
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert value(text, "sbiscope_stage_counted_total", stage="sink-transactions", what="rows_stored") >= EXCHANGES
    assert value(text, "sbiscope_stage_counted_total", stage="pairing", what="events") > EXCHANGES
    assert value(text, "sbiscope_stage_held", stage="pairing", what="open_requests") == 0
    assert value(text, "sbiscope_stage_partitions", stage="pairing") == 2
    assert value(text, "sbiscope_stage_checkpoint_bytes", stage="kpis") > 0
    for name in ("quarantined_total", "lost_messages_total", "store_failures_total", "repeats_total"):
        assert value(text, f"sbiscope_stage_{name}", stage="pairing") == 0
    assert running.http("/healthz")[::2] == (200, "well\n")
    assert running.http("/")[0] == 404


def test_prometheus_evaluates_every_rule_on_what_is_served(running: Installation, tmp_path: Path) -> None:
    agent = HealthServer("127.0.0.1", 0, lambda: exposition(STATUS), str)
    agent.start()
    resolver = HealthServer("127.0.0.1", 0, resolver_text, str)
    resolver.start()
    ports = {"agent": agent.port, "worker": running.metrics_port, "resolver": resolver.port}
    targets = {f"sbiscope-{part}": f"127.0.0.1:{port}" for part, port in ports.items()}
    with closing(agent), closing(resolver), prometheus(tmp_path, targets) as server:
        rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
        assert {rule["name"] for rule in rules} == set(NAMES)
        assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
        ended = {"sbiscope_stage_watermark_delay_seconds"}  # the capture's collector promises nothing any more
        for name in set().union(*map(asked, RULES)) - ended:
            assert server.value(f"count({name})"), name
        pending = 'count(ALERTS{alertname="SbiscopeAgentBacksOff",alertstate="pending"})'
        until(lambda: server.value(pending) == 1)  # STATUS says that it does
        assert server.value('count(ALERTS{alertname=~"SbiscopeStage.*|SbiscopeSink.*|SbiscopeQuarantine"})') is None


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=SHOWN)
def test_each_panel_shows_rows(reader: Client, name: str, panel: dict[str, Any]) -> None:
    span = spans(reader)["told_us" if name == "agents" else "opened_us" if "flows" in sql_of(panel) else "request_us"]
    result = reader.query(filled(sql_of(panel), span, subscriber(reader)))
    assert result.row_count > 0
    if panel["type"] == "stat":
        assert (result.row_count, len(result.column_names)) == (1, 1)
        assert result.first_row[0] is not None
    if panel["type"] == "timeseries":
        assert result.column_names[0] == "time"
        assert list(result.result_columns[0]) == sorted(result.result_columns[0])
    named = {one["matcher"]["options"] for one in panel.get("fieldConfig", {}).get("overrides", [])}
    moved = {place["options"][key] for place in panel.get("transformations", []) for key in place["options"]}
    assert named | moved <= set(result.column_names)


def test_a_quote_in_the_subscriber_stays_text(reader: Client) -> None:
    (panel,) = (one for name, one in PANELS if (name, one["title"]) == ("subscriber", "Requests in order"))
    assert reader.query(filled(sql_of(panel), spans(reader)["request_us"], "x' OR 1=1 --")).row_count == 0


def test_panels_agree_with_the_rows(reader: Client) -> None:
    sums = {
        panel["title"]: reader.query(filled(sql_of(panel), spans(reader)["request_us"], "")).first_row[0]
        for name, panel in PANELS
        if name == "overview" and panel["type"] == "stat"
    }
    sql = "SELECT countIf(NOT to_proxy), countIf(NOT to_proxy AND verdict = 'failure') FROM exchanges"
    asked_for, failed = reader.query(f"{sql} WHERE request_event_id IS NOT NULL").first_row
    assert (sums["Requests"], sums["Failed"], sums["Unknown"]) == (asked_for, failed, 0)


def test_dashboards_hold_together() -> None:
    assert set(BOARDS) == {"overview", "nf-matrix", "procedures", "subscriber", "agents"}
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        known = {one["name"] for one in board["templating"]["list"]}
        used = set(re.findall(r"\$\{([a-z_]+)[:}]", json.dumps(board["panels"])))
        assert {name for name in used if not name.startswith("__")} <= known
    linked = set(re.findall(r"/d/(sbiscope-[a-z-]+)", json.dumps(list(BOARDS.values()))))
    assert linked <= {board["uid"] for board in BOARDS.values()}


def sql_of(panel: dict[str, Any]) -> str:
    (target,) = panel["targets"]
    assert panel["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "sbiscope"}
    return str(target["rawSql"])


def filled(sql: str, span: tuple[int, int], supi: str) -> str:
    """Return a query as the plugin sends it: macros as its documentation has them, variables as Grafana writes them."""
    begin, end = span
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({begin}) AND \1 <= toDateTime({end})", sql)
    sql = sql.replace("$__fromTime", f"toDateTime({begin})").replace("$__toTime", f"toDateTime({end})")
    sql = sql.replace("${supi:sqlstring}", "'" + supi.replace("'", "''") + "'").replace("${window_s}", "60")
    assert "$" not in sql
    return sql


def spans(client: Client) -> dict[str, tuple[int, int]]:
    """Return from when to when there are rows, in seconds, by the column that tells the time."""
    tables = {"request_us": "transactions", "told_us": "agents", "opened_us": "flows"}
    found = {}
    for column, table in tables.items():
        first, last = client.query(
            f"SELECT toUnixTimestamp(min({column})), toUnixTimestamp(max({column})) FROM {table}"
        ).first_row
        found[column] = first - 3_600, last + 3_600
    return found


def subscriber(client: Client) -> str:
    sql = "SELECT supi FROM procedures_once WHERE supi IS NOT NULL ORDER BY requests DESC, supi LIMIT 1"
    return str(client.query(sql).first_row[0])
