"""What an image is made of, as a CycloneDX document: `python sbom.py NAME VERSION`, run inside of it.

CycloneDX 1.5, JSON; packages of Debian from dpkg's state, those of Python from their metadata (purl-spec: deb, pypi).
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg/status")


def debian(status: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, version and purl of each installed package."""
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            yield name, version, f"pkg:deb/debian/{name}@{quote(version)}?arch={fields['Architecture']}"


def python() -> Iterator[tuple[str, str, str]]:
    """Yield name, version and purl of each distribution on this Python's path."""
    for one in distributions():
        name = re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()  # PEP 503
        yield name, one.version, f"pkg:pypi/{name}@{quote(one.version)}"


def document(name: str, version: str, parts: list[tuple[str, str, str]]) -> dict[str, object]:
    """Return the document."""
    components = [
        {"type": "library", "name": part, "version": number, "purl": purl}
        for part, number, purl in sorted(set(parts), key=lambda one: one[2])
    ]
    about = {"component": {"type": "container", "name": name, "version": version}}
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": about, "components": components}


def main() -> None:
    """Print the document of this file system."""
    parts = [*(debian(DPKG.read_text()) if DPKG.exists() else ()), *python()]
    print(json.dumps(document(sys.argv[1], sys.argv[2], parts), indent=1))


if __name__ == "__main__":
    main()
