"""How causes.tsv is made of the reference table.

`python -m schemas.sbi.make_causes sbi_causes.csv` writes it anew: each line a service, or who shares the list, and its
causes. How far a row is proved (column `source`) stays there: what is doubted is no reason to call a cause unknown.
"""

import csv
import sys
from pathlib import Path

from schemas.sbi.causes import COMMON, FILE, PROXY

SHARED = {"common (29.500": COMMON, "SCP/SEPP (29.500": PROXY, "oauth2 (error": "oauth2"}


def lines(table: Path) -> list[str]:
    """Return the lines of causes.tsv, sorted."""
    listed: dict[str, set[str]] = {}
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            said = " ".join(row["service"].split(" ")[:2])
            for service in [SHARED[said]] if said in SHARED else row["service"].split(","):
                listed.setdefault(service, set()).add(row["cause"])
    return ["\t".join((service, *sorted(causes))) for service, causes in sorted(listed.items())]


if __name__ == "__main__":
    FILE.write_text("\n".join(lines(Path(sys.argv[1]))) + "\n")
