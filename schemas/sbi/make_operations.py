"""How operations.tsv is made of the reference table.

`python -m schemas.sbi.make_operations sbi_operations.csv` writes it anew. A line that begins with a name is an API
(spec, service, version, producer); the indented lines below it are its operations.
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

from schemas.sbi.operations import FILE

API = ("spec", "service", "api_version", "producer_nf")
OPERATION = (
    "method",
    "path_template",
    "operation_id",
    "service_operation",
    "sbi_callback_value",
    "parent_method",
    "parent_path",
)


def lines(table: Path) -> list[str]:
    """Return the lines of operations.tsv, sorted."""
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "5gc-sbi"]
    made = []
    pairs = sorted((tuple(row[name] for name in API), tuple(row[name] for name in OPERATION)) for row in rows)
    for api, group in groupby(pairs, key=lambda pair: pair[0]):
        made.append("\t".join(api))
        made += ["\t" + "\t".join(operation).rstrip("\t") for _, operation in group]
    return made


if __name__ == "__main__":
    FILE.write_text("\n".join(lines(Path(sys.argv[1]))) + "\n")
