"""Which application errors a service may name (TS 29.500 5.2.7 and the services' own tables), as far as known."""

from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "causes.tsv"
COMMON, PROXY = "common", "proxy"  # what every NF may name, and what an SCP or SEPP may (TS 29.500 5.2.7.2, 5.2.7.4)
SERVICE, NONE = "service", "none"


@cache
def known_causes() -> dict[str, frozenset[str]]:
    """Return the known causes by API name (`nudm-sdm`), and those of COMMON and PROXY."""
    rows = (line.split("\t") for line in FILE.read_text().splitlines())
    return {service: frozenset(causes) for service, *causes in rows}


def list_of(service: str | None, cause: str) -> str | None:
    """Return in which list a cause stands: SERVICE, COMMON, PROXY; NONE in none of them.

    None where that cannot be told: the service is not known, or no list of it.
    """
    known = known_causes()
    own = None if service is None else known.get(service)
    if own is not None and cause in own:
        return SERVICE
    if cause in known[COMMON]:
        return COMMON
    if cause in known[PROXY]:
        return PROXY
    return None if own is None else NONE
