"""Which operations the 5G core's APIs have: the rows of operations.tsv (scope 5gc-sbi, Rel-15 to Rel-19)."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "operations.tsv"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an API, or one callback of it; names as in the OpenAPI files of 3GPP.

    spec: TS number, e.g. 29.518. api_version: major version in the URI, empty for OAuth2 and bootstrapping.
    path_template: after the version; of a callback, the JSON pointer to its URI in the parent's body, with a suffix.
    callback: value of 3gpp-Sbi-Callback (TS 29.500 annex B), None = no callback.
    parent_method, parent_path: of a callback, the operation whose body carries its URI.
    """

    spec: str
    service: str
    api_version: str
    producer_nf: str
    method: str
    path_template: str
    operation_id: str | None
    service_operation: str | None
    callback: str | None = None
    parent_method: str | None = None
    parent_path: str | None = None


@cache
def operations() -> tuple[Operation, ...]:
    """Return all operations, callbacks included, by service and version."""
    found = []
    spec = service = version = producer = ""
    for line in FILE.read_text().splitlines():
        cells = line.split("\t")
        if cells[0]:
            spec, service, version, producer = cells
        else:
            _, method, template, *rest = cells
            known = [cell or None for cell in rest] + [None] * (5 - len(rest))
            found.append(Operation(spec, service, version, producer, method, template, *known))
    return tuple(found)
