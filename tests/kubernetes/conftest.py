"""One cluster for all tests of this directory: with Kafka, the engine, the images, NF pods and the release."""

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from deploy.stack import kafka
from tests.kubernetes.beside import Beside, beside
from tests.kubernetes.cluster import Cluster, cluster
from tests.kubernetes.nfs import GO, PYTHON, Nf, Running, namespace, started
from tests.kubernetes.oci import image
from tests.kubernetes.release import Release
from tests.kubernetes.settings import PAUSE

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SBISCOPE_KUBERNETES_CACHE", Path.home() / ".cache/sbiscope/kubernetes"))
BUILT = os.environ.get("SBISCOPE_KUBERNETES_IMAGES")  # a directory of archives that are there already
IMAGES = ("agent", "workers")
PYTHON_IMAGE = "docker.io/library/sbiscope-workers:0.1.0"
AMF, SMF = Nf("core-a", "amf", PYTHON), Nf("core-a", "smf", GO)
UDM, NRF = Nf("core-b", "udm", PYTHON), Nf("core-b", "nrf", GO)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failed test show what the agents said of themselves: the cluster is gone before anybody could look."""
    report = yield
    release = getattr(item, "funcargs", {}).get("release")
    if report.when == "call" and report.failed and release is not None:
        report.sections.append(("agents", release.agents_said()))
    return report


def built() -> Path:
    """Return where the archives of the images are."""
    return Path(BUILT or CACHE / "images")


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sbiscope-kubernetes-", ignore_cleanup_errors=True) as place:
        yield Path(place)


@pytest.fixture(scope="session")
def kube(root: Path) -> Iterator[Cluster]:
    """The cluster with every image that is needed."""
    subprocess.run([HERE / "build.sh", CACHE], check=True)
    images = built()
    if not BUILT:
        subprocess.run([HERE.parent.parent / "deploy/images/build.sh", images, *IMAGES], check=True)
    kafka.prepare(print)  # from the cluster's network there is no way out
    program = root / "nf"
    environment = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", program, HERE / "nf.go"], check=True, env=environment)
    image(program, PAUSE.removeprefix("docker.io/"), root / "nf.tar", ["pause"])
    with cluster(CACHE / "bin", root / "cluster") as one:
        for archive in (root / "nf.tar", *(images / f"{name}.tar" for name in IMAGES)):
            one.load(archive)
        yield one


@pytest.fixture(scope="session")
def operator(kube: Cluster, root: Path) -> Iterator[Beside]:
    """Kafka and ClickHouse."""
    with beside(kube, root / "beside") as one:
        yield one


@pytest.fixture(scope="session")
def nfs(kube: Cluster) -> dict[str, Running]:
    """Pods that are older than the agent."""
    kube.apply(*namespace("core-a"), *namespace("core-b"))
    return {nf.name: started(kube, nf, PYTHON_IMAGE) for nf in (AMF, SMF, UDM, NRF)}


@pytest.fixture(scope="session")
def release(kube: Cluster, operator: Beside, nfs: dict[str, Running]) -> Iterator[Release]:
    """The chart, installed beside them."""
    one = Release(kube, operator)
    one.install()
    yield one
    one.close()
