"""deploy/prometheus/rules.yaml: fires when it should, speaks of metrics that exist, names a place in the guide."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from collector.agent_status import exposition as of_agent
from deploy.resolving import exposition as of_resolver
from schemas.cluster_api import Api
from streams.cluster import Cluster
from streams.runtime.exposition import exposition as of_worker
from streams.runtime.figures import Figures
from tests.prometheus import FOLDER, program
from tests.test_agent_status import STATUS

RULES = [rule for group in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"] for rule in group["rules"]]
NAMES = [rule["alert"] for rule in RULES]
SERVED = ("agent", "pairing")
SAMPLE = re.compile(r'([a-z_]+)(?:\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})? (-?[0-9.]+)$')


def metrics(text: str) -> set[str]:
    """Return the names of the samples in an exposition, each of which stands below its own HELP and TYPE."""
    found = set()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            named = line.split()[2]
        elif line[0] != "#":
            sample = SAMPLE.match(line)
            assert sample and sample[1] == named, line
            found.add(named)
    return found


def asked(rule: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\b(?:sbiscope|process)_[a-z_]+", rule["expr"]))


def resolver_text() -> str:
    """Return what a resolver serves that cannot watch its cluster."""
    cluster = Cluster(Api("http://127.0.0.1:1"), frozenset())
    cluster.counts["kubernetes_failures"] += 1
    return of_resolver(cluster, 7)


@pytest.fixture
def promtool() -> str:
    return program("promtool")


@pytest.mark.parametrize(
    "words", ["check rules rules.yaml", "test rules rules_test.yaml", "check config prometheus.yaml"]
)
def test_promtool_agrees(promtool: str, words: str) -> None:
    done = subprocess.run(
        [promtool, *words.split()], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("served", SERVED)
def test_promtool_finds_no_fault_in_what_is_served(promtool: str, served: str) -> None:
    text = of_agent(STATUS) if served == "agent" else of_worker([Figures(served, counted={"evicted": 1})])
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_rule_is_tested_and_says_how_grave_it_is() -> None:
    tests = (FOLDER / "rules_test.yaml").read_text()
    assert [name for name in NAMES if f'alertname="{name}"' not in tests] == []
    assert len(set(NAMES)) == len(NAMES)
    assert {rule["labels"]["severity"] for rule in RULES} <= {"critical", "warning"}


def test_a_worker_tells_all_it_has_in_seconds_and_octets() -> None:
    figures = Figures("pairing", started_ms=1_500, sent={"sbi.kpis": 7}, watermark_delay_ms=2_500)
    figures.held, figures.counted, figures.partitions = {"open_requests": 5}, {"batches": 11}, [0, 2]
    text = of_worker([figures, Figures("kpis")])
    assert 'sbiscope_stage_watermark_delay_seconds{stage="pairing"} 2.500' in text
    assert 'sbiscope_stage_watermark_delay_seconds{stage="kpis"}' not in text  # nobody promised anything
    assert 'sbiscope_stage_start_time_seconds{stage="pairing"} 1.500' in text
    assert 'sbiscope_stage_sent_messages_total{stage="pairing",topic="sbi.kpis"} 7' in text
    assert 'sbiscope_stage_held{stage="pairing",what="open_requests"} 5' in text
    assert 'sbiscope_stage_counted_total{stage="pairing",what="batches"} 11' in text
    assert 'sbiscope_stage_partitions{stage="pairing"} 2' in text
    assert len(metrics(text)) == text.count("# TYPE") == text.count("# HELP")


def test_a_hostile_name_stays_a_label() -> None:
    figures = Figures("pairing", counted={'x"} 1\nsbiscope_evil 1': 1})
    assert "sbiscope_evil" not in metrics(of_worker([figures]))


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_metric_of_a_rule_exists(rule: dict[str, Any]) -> None:
    full = Figures("x", watermark_delay_ms=1, counted={"evicted": 1})
    served = of_agent(STATUS), of_worker([full]), resolver_text()
    assert asked(rule) <= set().union(*map(metrics, served))
