# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What a body says, fit to leave the node, at hand for every message that brings it again (other end, next hop)."""

from collections.abc import Callable

import cython

from collector.asking import status_in
from collector.identifiers import NO_IDENTIFIERS
from collector.nf_profile import profile_weight
from collector.text_weight import OBJECT, characters_weight, texts_weight

if cython.compiled:
    from cython.cimports.collector.body import BodyFacts
else:
    from collector.body import BodyFacts

OVERHEAD = 512  # about what the facts take beside their texts


@cython.no_gc
@cython.final
@cython.cclass
class Read:
    """Facts of a body at hand for every message that brings it; those that are texts may leave the node.

    nf_status: that an NF tells the NRF of itself. teaches: the body tells of callback URIs or NFs. short: stands for
    the body in request_key, once asked for.
    """

    def __init__(self, facts: BodyFacts, redact: Callable[[str], str]) -> None:
        self.facts = facts
        self.state = facts.state
        self.cause = None if facts.cause is None else redact(facts.cause)
        self.result = None if facts.result is None else redact(facts.result)
        status = status_in(facts) if facts.patched or facts.profiles else None
        self.nf_status = None if status is None else redact(status)
        self.remote_error = facts.remote_error
        self.teaches = bool(facts.callbacks or facts.profiles)
        self.short: bytes | None = None
        self.mark = b""  # of one that is remembered, and as what it was read
        self.kind: str | None = None
        self.coding: str | None = None
        self.weight = 0


@cython.cfunc
@cython.exceptval(-1)
def weight_of(read: Read) -> cython.Py_ssize_t:
    """Return about how many octets a remembered body takes: its kind and its facts, not the octets themselves."""
    facts: BodyFacts = read.facts
    weight: cython.Py_ssize_t = OVERHEAD + characters_weight(read.kind) + characters_weight(read.coding)
    if facts.cause is not None or facts.result is not None or read.nf_status is not None:
        weight += texts_weight((facts.cause, read.cause, facts.result, read.result, read.nf_status))
    if facts.unreadable is not None:
        weight += texts_weight((facts.unreadable,))
    if facts.identifiers is not NO_IDENTIFIERS:
        weight += 2 * OBJECT + texts_weight(facts.identifiers.said())
    for callback in facts.callbacks:
        weight += 2 * OBJECT + texts_weight((callback.key, callback.uri, *(callback.place or ())))
    for pair in (*facts.references, *facts.patched):
        weight += OBJECT + texts_weight(pair)
    for profile in facts.profiles:
        weight += profile_weight(profile)
    return weight
