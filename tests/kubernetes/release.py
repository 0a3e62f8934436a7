"""The chart as an operator installs it on the cluster, and what comes of it in ClickHouse."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.kubernetes.beside import Beside
from tests.kubernetes.cluster import Cluster, until

NAME = NAMESPACE = "sbiscope"
CHART = Path(__file__).parent.parent.parent / "deploy/helm/sbiscope"
UNOBSERVED = "test/unobserved"  # label of a node that is to have no agent
NAMED = ("kind", "namespace", "pod", "service", "workload", "node", "zone")
COMMON = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}


def values(beside: Beside) -> dict[str, Any]:
    """Return the values of this cluster: small requests, one worker a stage."""
    return {
        "site": "proof",
        "images": {"pullPolicy": "Never"},
        "kafka": {"bootstrap": beside.bootstrap, "replication": 1},
        "clickhouse": {"url": beside.url, "secret": "clickhouse"},
        "agent": {
            "resources": COMMON,
            "podLabels": ["app"],
            "cpuPercent": 0,
            "nodeMatchExpressions": [{"key": UNOBSERVED, "operator": "DoesNotExist"}],
        },
        "streams": {"resources": COMMON},
        "report": {"enabled": False},
    }


class End(NamedTuple):
    """One end of an exchange as the view `ends` names it."""

    kind: str | None
    namespace: str | None
    pod: str | None
    service: str | None = None
    workload: str | None = None
    node: str | None = "node1"
    zone: str | None = "zone-1"


class Release:
    """What was installed."""

    def __init__(self, cluster: Cluster, beside: Beside) -> None:
        self._cluster = cluster
        self._beside = beside
        self._client: Any = None

    def install(self) -> None:
        """Install, as NOTES.txt says; returns when all runs."""
        about = {"name": "clickhouse", "namespace": NAMESPACE}
        secret = {"username": "sbiscope", "password": self._beside.password}
        self._cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": about, "stringData": secret},
        )
        file = self._beside.place.root / "values.json"
        file.write_text(json.dumps(values(self._beside)))
        self.helm("install", NAME, CHART, f"--values={file}", "--wait", "--timeout=6m")

    def close(self) -> None:
        """Let go of ClickHouse."""
        if self._client is not None:
            self._client.close()

    def helm(self, *words: str | Path) -> str:
        """Run helm for the release's namespace."""
        return self._cluster.helm(*map(str, words), f"--namespace={NAMESPACE}")

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the release's namespace."""
        return self._cluster.kubectl(*words, f"--namespace={NAMESPACE}")

    def rolled_out(self) -> None:
        """Wait until the agent and every worker are as wanted."""
        for kind in self.kubectl("get", "daemonsets,deployments", "-o=name").splitlines():
            self.kubectl("rollout", "status", kind, "--timeout=240s")

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a part."""
        selector = f"app.kubernetes.io/component={component}"
        found: list[dict[str, Any]] = self._cluster.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
        return found

    def agents_said(self) -> str:
        """Return the agents' logs and what they told of themselves last."""
        names = [one["metadata"]["name"] for one in self.pods("agent")]
        logs = [self.kubectl("logs", name, "--tail=20") for name in names]
        told = self.rows("SELECT node, told_us, loss, traffic FROM agents ORDER BY told_us DESC LIMIT 1 BY node")
        return "\n".join([*logs, *map(str, told)])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of ClickHouse."""
        self._client = self._client or self._beside.client()
        return [tuple(row) for row in self._client.query(sql).result_rows]

    def ends(self, run: int, extra: Iterable[str] = ()) -> list[tuple[Any, ...]]:
        """Return what was seen of a run, by end: where, whose, how many, how many of them different."""
        named = ("vantage", "namespace", "pod", "container_name", "toString(pod_uid)", "pod_labels", "tls")
        columns = ", ".join((*named, *extra))
        where = f"path LIKE '/nnrf-nfm/v1/nf-instances/{run:08x}-%' AND status = 200"
        sql = (
            f"SELECT {columns}, count(), uniqExact(path) FROM transactions FINAL WHERE {where} GROUP BY ALL ORDER BY 1"
        )
        return self.rows(sql)

    def counted(self, run: int) -> tuple[int, int]:
        """Return how many requests the KPIs count in the windows that a run touches, and how many there were.

        Only requests of the run's operation; (0, 0) while the KPIs of its last window are not there yet.
        """
        where = f"path LIKE '/nnrf-nfm/v1/nf-instances/{run:08x}-%'"
        window = "toStartOfInterval(request_us, INTERVAL 10 SECOND)"
        ((operation, first, last),) = self.rows(
            f"SELECT any(operation), toString(min({window})), toString(max({window})) FROM transactions WHERE {where}"
        )
        within = f"operation = '{operation}' AND {{}} BETWEEN '{first}' AND '{last}'"
        happened = f"SELECT uniqExact(path) FROM transactions WHERE {within.format(window)}"
        own = f"window_s = 10 AND {within.format('window_start_us')}"
        counted = f"SELECT sum(requests), max(window_start_us) = '{last}' FROM kpis FINAL WHERE {own}"
        ((requests, is_whole),) = self.rows(counted)
        return (requests, self.rows(happened)[0][0]) if is_whole else (0, 0)

    def named(self, run: int) -> dict[tuple[End, End], int]:
        """Return how many exchanges of a run there were between which ends."""
        columns = ", ".join(f"{end}_{what}" for end in ("client", "server") for what in NAMED)
        ids = f"SELECT transaction_id FROM transactions WHERE path LIKE '/nnrf-nfm/v1/nf-instances/{run:08x}-%'"
        rows = self.rows(f"SELECT {columns}, count() FROM ends WHERE transaction_id IN ({ids}) GROUP BY ALL")
        return {(End(*row[: len(NAMED)]), End(*row[len(NAMED) : -1])): row[-1] for row in rows}

    def count(self, run: int) -> int:
        """Return how many transactions a run has, from both ends."""
        return sum(row[-2] for row in self.ends(run))

    def settled(self, run: int, wanted: int, within_s: float = 90) -> None:
        """Wait until a run is told of from both ends."""
        until(lambda: self.count(run) >= 2 * wanted, within_s, f"{2 * wanted} transactions of run {run}")
