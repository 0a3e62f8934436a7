# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What the path of a request says for the binding of subscribers, worked out once while it comes again."""

import re

import cython

from collector.identifiers import NO_IDENTIFIERS

if cython.compiled:
    from cython.cimports.collector.target_identifiers import identifiers_of_path
    from cython.cimports.collector.uri import resource_of
else:
    from collector.target_identifiers import identifiers_of_path
    from collector.uri import resource_of

DEEPEST = 2  # segments below a resource or callback URI: /modify, /events-subscription, /update …
# Resources that stand for a subscriber (TS 29.502, 29.507, 29.509, 29.512, 29.514, 29.521, 29.525, 29.526, 32.291).
_OF_SUBSCRIBER: dict[str, tuple[str, ...]] = {
    "nausf-auth": ("ue-authentications", "prose-authentications"),
    "nsmf-pdusession": ("sm-contexts", "pdu-sessions"),
    "npcf-smpolicycontrol": ("sm-policies",),
    "npcf-am-policy-control": ("policies",),
    "npcf-ue-policy-control": ("policies",),
    "nchf-convergedcharging": ("chargingdata",),
    "nbsf-management": ("pcfBindings", "pcf-ue-bindings"),
    "npcf-policyauthorization": ("app-sessions",),
    "nnssaaf-nssaa": ("slice-authentications", "authentications"),
    "nnssaaf-aiw": ("slice-authentications", "authentications"),
}
_VERSION = re.compile(r"v\d+")


@cython.final
@cython.cclass
class Resource:
    """What a request's path says, worked out once.

    own: its identifiers. path: without query, "" if too long to be remembered. above: itself and what it lies below,
    as far up as a binding reaches. standing: the resource among them that stands for a subscriber by its API.
    """

    def __init__(self, path: str | None, is_long: cython.bint) -> None:
        self.own = identifiers_of_path(path) if path else NO_IDENTIFIERS
        self.is_long = is_long
        self.path = "" if path is None or is_long else resource_of(path)
        self.above = _above(self.path)
        self.standing = _standing(self.path)


@cython.cfunc
def _standing(path: str) -> str | None:
    """Return the resource that a path is or lies below and that stands for a subscriber by its API."""
    at: cython.Py_ssize_t
    parts: list[str] = path.split("/")
    for at in range(1, len(parts) - 3):
        collections: tuple[str, ...] | None = _OF_SUBSCRIBER.get(parts[at])
        if (
            collections is not None
            and parts[at + 2] in collections
            and parts[at + 3]
            and _VERSION.fullmatch(parts[at + 1])
        ):
            return "/".join(parts[: at + 4])
    return None


@cython.cfunc
def _above(path: str) -> tuple[str, ...]:
    """Return a path and those it lies below, deepest first, that are long enough to be one resource alone."""
    found: list[str] = []
    last: cython.Py_ssize_t = len(path)
    for _ in range(DEEPEST + 1):
        path = path[:last]
        last = path.rfind("/")
        if path.find("/") == last:  # less than two
            break
        found.append(path)
    return tuple(found)
