"""Which application errors a service may name (TS 29.500 5.2.7 and the services' own tables), as far as known."""

from pathlib import Path

FILE = Path(__file__).parent / "causes.tsv"
COMMON, PROXY = "common", "proxy"  # what every NF may name, and what an SCP or SEPP may (TS 29.500 5.2.7.2, 5.2.7.4)
SERVICE, NONE = "service", "none"


def _known() -> dict[str, frozenset[str]]:
    rows = (line.split("\t") for line in FILE.read_text().splitlines())
    return {service: frozenset(causes) for service, *causes in rows}


# By API name (`nudm-sdm`), and those of COMMON and PROXY. Read at once: the observer can open no file later (seccomp).
KNOWN_CAUSES = _known()


def list_of(service: str | None, cause: str) -> str | None:
    """Return in which list a cause stands: SERVICE, COMMON, PROXY; NONE in none of them.

    None where that cannot be told: the service is not known, or no list of it.
    """
    own = None if service is None else KNOWN_CAUSES.get(service)
    if own is not None and cause in own:
        return SERVICE
    if cause in KNOWN_CAUSES[COMMON]:
        return COMMON
    if cause in KNOWN_CAUSES[PROXY]:
        return PROXY
    return None if own is None else NONE
