"""Helm for tests: where it is, and the chart rendered with some values; nothing is ever installed by it."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CHART = ROOT / "deploy/helm/sbiscope"
MANIFESTS = ROOT / "deploy/manifests"
PLACES = (Path.home() / ".cache/sbiscope/kubernetes/bin/helm", Path.home() / "go/bin/helm")
NEEDED = {
    "kafka.bootstrap": "kafka:9092",
    "clickhouse.url": "http://clickhouse:8123",
    "clickhouse.secret": "clickhouse",
}


def program() -> str | None:
    """Return Helm's place; None where there is none."""
    return os.environ.get("HELM") or shutil.which("helm") or next((str(one) for one in PLACES if one.exists()), None)


def helm(*words: str) -> "subprocess.CompletedProcess[str]":
    found = program()
    assert found is not None
    return subprocess.run([found, *words], capture_output=True, text=True, timeout=60, check=False)


def told(values: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    """Return what Helm says to the chart with `values`, by dotted name; None leaves one of the needed ones out."""
    given = [f"--set-json={name}={json.dumps(value)}" for name, value in (NEEDED | values).items() if value is not None]
    return helm("template", "sbiscope", str(CHART), "--namespace=sbiscope", "--kube-version=1.34.0", *given)


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the objects that the chart makes of `values`."""
    return _rendered(json.dumps(values))


@cache
def _rendered(values: str) -> list[dict[str, Any]]:
    done = told(json.loads(values))
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]
