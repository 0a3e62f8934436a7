"""deploy/compose.yaml: the Compose Specification's own loader takes it, and what it mounts and names exists."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.config import load
from streams.stages import NAMES

DEPLOY = Path(__file__).parent.parent / "deploy"
LOADER = Path(__file__).parent / "compose_loader" / "main.go"
MODULE = "github.com/compose-spec/compose-go/v2/cli@v2.16.2"
PASSWORDS = {"SBISCOPE_PASSWORD": "w", "SBISCOPE_READER_PASSWORD": "r", "GRAFANA_PASSWORD": "g"}


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the loader's program, built with Go; skips where there is no Go, or it cannot fetch the module."""
    if not shutil.which("go"):
        pytest.skip("no Go here: the loader of the Compose Specification is a Go module")
    place = tmp_path_factory.mktemp("loader")
    (place / "go.mod").write_text("module loader\n")
    shutil.copy(LOADER, place)
    got, built = (
        subprocess.run(["go", *words], cwd=place, capture_output=True, text=True, check=False)
        for words in (["get", MODULE], ["build", "-o", "loader", "."])
    )
    if got.returncode:
        pytest.skip(f"the loader of the Compose Specification cannot be had: {got.stderr[-200:]}")
    assert built.returncode == 0, built.stderr
    return place / "loader"


def loaded(loader: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    known = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    command = [loader, DEPLOY / "compose.yaml"]
    return subprocess.run(
        command, env=known | environment, cwd=DEPLOY, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_specifications_loader_takes_it(loader: Path) -> None:
    done = loaded(loader, **PASSWORDS)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert {*NAMES, "kafka", "clickhouse", "schema", "agent", "prometheus", "grafana"} == set(services)
    assert services["sink"]["command"] == ["streams", "--stage", "sink"]
    assert services["sink"]["environment"]["SBISCOPE_CLICKHOUSE_PASSWORD"] == "w"


def test_a_missing_password_is_named(loader: Path) -> None:
    done = loaded(loader, **{name: value for name, value in PASSWORDS.items() if name != "GRAFANA_PASSWORD"})
    assert done.returncode != 0
    assert "set a password for Grafana's admin" in done.stderr + done.stdout


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def test_what_is_mounted_exists(document: dict[str, Any]) -> None:
    volumes = [word for service in document["services"].values() for word in service.get("volumes", [])]
    files = {word.partition(":")[0] for word in volumes if word.startswith("./")}
    assert {name for name in files if not (DEPLOY / name).exists()} == set()
    assert {word.partition(":")[0] for word in volumes if not word.startswith("./")} == set(document["volumes"])


def test_ports_are_on_loopback_and_prometheus_knows_them(document: dict[str, Any]) -> None:
    ports = [port for service in document["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    targets = {target for job in scraped for one in job["static_configs"] for target in one["targets"]}
    published = {port.rpartition(":")[0] for port in ports if port.endswith(":9472")}
    assert targets == published | {"127.0.0.1:9471"}


def test_every_setting_is_a_key_of_the_configuration(document: dict[str, Any]) -> None:
    for name in ("pairing", "agent"):
        environment = {key: str(value) for key, value in document["services"][name]["environment"].items()}
        config = load(None, environment)
        for key in environment:
            section, _, field = key.removeprefix("SBISCOPE_").lower().partition("_")
            assert hasattr(getattr(config, section), field), key
