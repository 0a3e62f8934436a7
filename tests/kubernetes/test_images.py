"""What the built images hold: labels, the user they run as, what they are made of, and nothing of the other image."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.images.locked import entries
from tests.bench.line import show
from tests.kubernetes import prerequisites
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.conftest import built

pytestmark = prerequisites.MARKS
ROOT = Path(__file__).parent.parent.parent
SBOM = "usr/share/sbom/sbiscope.cdx.json"
TOOLS = {"usr/bin/gcc", "usr/bin/pip3", "usr/bin/curl", "usr/bin/git"}  # no image needs one to run
NEITHER = TOOLS | {"opt/sbiscope/tests", "opt/sbiscope/chdb", "opt/sbiscope/deploy/captures"}


class Image:
    """An OCI archive (image layout 1.0), open."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        index = json.loads(self._blob("index.json"))
        manifest = json.loads(self._blob(digested(index["manifests"][0])))
        self.config: dict[str, Any] = json.loads(self._blob(digested(manifest["config"])))
        self._layers = [digested(one) for one in manifest["layers"]]
        self.mb = sum(one["size"] for one in manifest["layers"]) / 1e6

    def files(self) -> dict[str, bytes | None]:
        """Return the paths of all layers together, with the content of the bill of materials."""
        found: dict[str, bytes | None] = {}
        for name in self._layers:
            with tarfile.open(fileobj=self._archive.extractfile(name)) as layer:
                for one in layer:
                    path = one.name.removeprefix("./")
                    gone = path.rpartition("/")[2].startswith(".wh.")
                    if gone:
                        found.pop(path.replace(".wh.", "", 1), None)
                        continue
                    content = layer.extractfile(one) if path == SBOM else None
                    found[path] = content.read() if content else None
        return found

    def _blob(self, name: str) -> bytes:
        file = self._archive.extractfile(name)
        assert file is not None
        return file.read()


def digested(about: dict[str, Any]) -> str:
    return "blobs/" + str(about["digest"]).replace(":", "/")


@pytest.fixture(scope="module", params=["agent", "workers"])
def image(request: pytest.FixtureRequest, kube: Cluster) -> Iterator[tuple[str, Image]]:
    with tarfile.open(built() / f"{request.param}.tar") as archive:
        yield request.param, Image(archive)


def test_an_image_says_what_it_is_and_runs_as_who_it_must(image: tuple[str, Image]) -> None:
    name, one = image
    show(f"image {name}, packed", one.mb, "MB")
    config = one.config["config"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"] == f"sbiscope {name}"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == "0.1.0"
    assert labels.keys() >= {"revision", "created", "description"}
    assert config["User"] == {"agent": "0:0", "workers": "10001:10001"}[name]
    assert config["Entrypoint"] == ["/usr/bin/sbiscope"]


def test_an_image_holds_its_own_parts_and_lists_them(image: tuple[str, Image]) -> None:
    name, one = image
    files = one.files()
    wanted, foreign = {
        "agent": ("opt/sbiscope/bpf", {"opt/sbiscope/streams", "opt/sbiscope/faust"}),
        "workers": ("opt/sbiscope/streams", {"opt/sbiscope/bpf"}),
    }[name]
    assert wanted in files
    assert not (NEITHER | foreign) & files.keys()
    told = json.loads(files[SBOM] or b"")
    purls = {part["purl"] for part in told["components"]}
    lock = entries((ROOT / "deploy/requirements.lock").read_text())
    pinned = {f"pkg:pypi/{text.split()[0].replace('==', '@')}" for text, _ in lock.values()}
    packages = {purl for purl in purls if purl.startswith("pkg:pypi/")}
    assert {"confluent-kafka", "fastavro"} <= {purl.removeprefix("pkg:pypi/").split("@")[0] for purl in packages}
    assert packages <= pinned | {"pkg:pypi/sbiscope@0.1.0"} | distribution(packages)
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in purls)


def distribution(packages: set[str]) -> set[str]:
    """Return the Python packages that come from Debian: bcc's."""
    return {purl for purl in packages if purl.startswith(("pkg:pypi/bcc@", "pkg:pypi/netaddr@"))}
