"""Which locked packages an image needs: `python locked.py agent|workers|build` prints them as a requirements file.

Read from requirements.lock (pip-compile): each entry says, after `# via`, what asks for it. Runs without any package.
"""

import re
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
NAME = re.compile(r"[A-Za-z0-9_.-]+")
ENGINE = frozenset({"chdb", "chdb-core"})  # of the local stack: a cluster has a ClickHouse of its own
EXTRAS = {"agent": "collector", "workers": "streams"}
TOOLS = ("cython", "setuptools", "wheel")


def entries(lock: str) -> dict[str, tuple[str, set[str]]]:
    """Return each entry's text and who asks for it, by the package's name."""
    found = {}
    for text in re.split(r"\n(?=[A-Za-z0-9])", "\n" + lock):
        lines = text.strip().splitlines()
        if lines and "==" in lines[0]:
            asking = {
                words[0] for line in lines if (words := line.strip(" #").replace("via ", "").split()) and "#" in line
            }
            found[canonical(lines[0])] = (text.strip(), {canonical(one) for one in asking})
    return found


def canonical(requirement: str) -> str:
    """Return the name of a requirement as the index compares it (PEP 503)."""
    matched = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", matched[0]).lower() if matched else ""


def roots(image: str, project: dict[str, dict[str, list[str]]]) -> set[str]:
    """Return what an image asks for by name."""
    if image == "build":
        return set(TOOLS)
    asked = [*project["dependencies"], *project["optional-dependencies"][EXTRAS[image]]]
    return {canonical(one) for one in asked} - ENGINE


def needed(wanted: set[str], known: dict[str, tuple[str, set[str]]]) -> list[str]:
    """Return the entries of `wanted` and of all that these ask for."""
    found = wanted & set(known)
    while more := {name for name, (_, asking) in known.items() if asking & found} - found - ENGINE:
        found |= more
    return [known[name][0] for name in sorted(found)]


def main() -> None:
    """Print the requirements of the image that is named."""
    places = (HERE, HERE.parent, HERE.parent.parent)
    lock = next(one for place in places if (one := place / "requirements.lock").exists())
    project = tomllib.loads(next(one for place in places if (one := place / "pyproject.toml").exists()).read_text())
    print("\n".join(needed(roots(sys.argv[1], project["project"]), entries(lock.read_text()))))


if __name__ == "__main__":
    main()
