# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Whom a message is about, and whether its answer says that he is another (SBI.md 10)."""

import cython

from collector.identifiers import NO_IDENTIFIERS

if cython.compiled:
    from cython.cimports.collector.identifiers import Identifiers
else:
    from collector.identifiers import Identifiers

PATH, BODY, HEADER, REFERENCE, ALIAS = "path", "body", "header", "reference", "alias"


@cython.no_gc  # makes no circles
@cython.freelist(256)
@cython.final
@cython.cclass
class Subject:
    """Whom a message is about. `source`: where his SUPI was found. `reference`: what names him, if that is unknown.

    said: what the message itself says of him, without what was learned before.
    """

    def __init__(self) -> None:
        self.identifiers = NO_IDENTIFIERS
        self.said = NO_IDENTIFIERS
        self.source: str | None = None
        self.reference: str | None = None


@cython.cfunc
def subject_of(identifiers: Identifiers, said: Identifiers, source: str | None, reference: str | None) -> Subject:
    """Return whom `identifiers` name, or `reference`."""
    subject: Subject = Subject.__new__(Subject)  # a quarter of the time of a call of the class
    subject.identifiers = identifiers
    subject.said = said
    subject.source = source
    subject.reference = reference
    return subject


NOBODY = cython.declare(Subject, subject_of(NO_IDENTIFIERS, NO_IDENTIFIERS, None, None))


@cython.cfunc
@cython.exceptval(check=False)
def contradicts(answered: Identifiers, asked: Subject) -> cython.bint:
    """Tell whether an answer names another subscriber, or another session, than was learned of its request."""
    if answered.supi is not None and answered.supi != asked.identifiers.supi:
        return True
    return asked.said.pdu_session_id is None and is_other(answered, asked.identifiers)


@cython.cfunc
@cython.exceptval(check=False)
def is_other(said: Identifiers, bound: Identifiers) -> cython.bint:
    """Tell whether both name a PDU session, and not the same."""
    if said.pdu_session_id is None or bound.pdu_session_id is None:
        return False
    one: cython.int = said.pdu_session_id
    other: cython.int = bound.pdu_session_id
    return one != other
