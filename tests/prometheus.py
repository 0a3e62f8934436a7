"""The real Prometheus for tests: Debian's, unpacked where it is not installed; its server on what is served here."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.broker import free_ports
from tests.debian import apt
from tests.local_stack import until

FOLDER = Path(__file__).parent.parent / "deploy" / "prometheus"


@cache
def program(name: str) -> str:
    """Return `prometheus` or `promtool`, of Debian's package where it is not installed."""
    found = shutil.which(name)
    if found is None:
        place = Path(tempfile.gettempdir()) / "sbiscope-prometheus"
        place.mkdir(exist_ok=True)
        found = str(place / "usr" / "bin" / name)
        if not Path(found).exists():  # its service is not wanted here
            apt("apt-get", "download", "-qq", "prometheus", cwd=str(place))
            subprocess.run(["sh", "-c", "dpkg-deb -x prometheus_*.deb ."], cwd=place, check=True)
    return found


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}/api/v1/"

    def ask(self, what: str, **given: str) -> Any:
        with urlopen(f"{self._address}{what}?{urlencode(given)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float | None:
        """Return the only sample of a query, None where there is none."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


@contextmanager
def prometheus(place: Path, targets: dict[str, str]) -> Iterator[Prometheus]:
    """Run the server with our configuration and rules; `targets`: where each job is served, others than ours too."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = dict.fromkeys(config["global"], "1s")
    config["rule_files"] = [str(FOLDER / "rules.yaml")]
    assert {job["job_name"] for job in config["scrape_configs"]} <= targets.keys()
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
    ]
    (place / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [program("prometheus"), f"--config.file={place}/prometheus.yaml", f"--storage.tsdb.path={place}/data"]
    with (place / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        one = Prometheus(port)
        until(lambda: scraped(one, targets))
        yield one
    finally:
        process.terminate()
        process.wait(30)


def scraped(one: Prometheus, targets: dict[str, str]) -> bool:
    """Tell whether every job was scraped and every rule evaluated."""
    try:
        groups = one.ask("rules")["groups"]
    except OSError:
        return False
    rules = [rule for group in groups for rule in group["rules"]]
    known = all(rule["health"] != "unknown" for rule in rules)
    return bool(rules) and known and all(one.value(f'up{{job="{job}"}}') == 1 for job in targets)
