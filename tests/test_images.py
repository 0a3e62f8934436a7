"""What goes into the container images: the locked packages that each needs, with their hashes, and a list of them."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from deploy.images.locked import entries, needed, roots
from deploy.images.sbom import debian, document

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "deploy/requirements.lock").read_text()


@cache
def packages(image: str) -> dict[str, str]:
    """Return what the program prints for an image, by name: the rest of the entry."""
    command = [sys.executable, ROOT / "deploy/images/locked.py", image]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: rest for name, (rest, _) in entries(printed).items()}


@pytest.mark.parametrize(
    ("image", "has", "has_not"),
    [
        (
            "agent",
            {"confluent-kafka", "fastavro", "msgspec"},
            {"faust-streaming", "aiohttp", "chdb", "h2", "cramjam"},
        ),
        ("workers", {"faust-streaming", "mode-streaming", "multidict", "clickhouse-connect"}, {"chdb", "chdb-core"}),
        ("build", {"cython", "setuptools"}, {"pytest", "msgspec"}),
    ],
)
def test_an_image_gets_what_it_needs_and_no_more(image: str, has: set[str], has_not: set[str]) -> None:
    found = packages(image)
    assert has <= set(found)
    assert not has_not & set(found)


def test_every_package_is_as_it_was_locked() -> None:
    locked = {name: text for name, (text, _) in entries(LOCK).items()}
    for image in ("agent", "workers", "build"):
        for name, text in packages(image).items():
            assert text == locked[name]
            assert "--hash=sha256:" in text


def test_what_is_asked_for_brings_what_that_asks_for() -> None:
    known = entries(
        "a==1 \\\n    --hash=sha256:0\n    # via sbiscope (pyproject.toml)\n"
        "b==2 \\\n    --hash=sha256:0\n    # via\n    #   a\n    #   z\n"
        "c==3 \\\n    --hash=sha256:0\n    # via b\n"
        "d==4 \\\n    --hash=sha256:0\n    # via z\n"
    )
    assert [text.split("==")[0] for text in needed({"a"}, known)] == ["a", "b", "c"]
    project = {"dependencies": ["A_x==1"], "optional-dependencies": {"collector": ["m==2"], "streams": ["chdb==4"]}}
    assert (roots("agent", project), roots("workers", project)) == ({"a-x", "m"}, {"a-x"})  # type: ignore[arg-type]


def test_the_list_of_parts() -> None:
    status = (
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.2.13\n"
        "Description: a\n b: c\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    )
    made = json.loads(json.dumps(document("image", "0.1.0", [*debian(status), ("b", "2", "pkg:pypi/b@2")])))
    assert (made["bomFormat"], made["metadata"]["component"]["name"]) == ("CycloneDX", "image")
    assert [one["purl"] for one in made["components"]] == [
        "pkg:deb/debian/zlib1g@1%3A1.2.13?arch=amd64",
        "pkg:pypi/b@2",
    ]
