# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Identifiers as an event tells them: those of a UE as pseudonyms."""

from collections.abc import Callable

import cython

if cython.compiled:
    from cython.cimports.collector.identifiers import Identifiers
else:
    from collector.identifiers import Identifiers


@cython.no_gc
@cython.final
@cython.cclass
class Told:
    """What an event tells of whom it is about; octets: all but the SUPI in Avro, once asked for."""

    def __init__(self, told: Identifiers, of: Callable[[str], str], redact: Callable[[str], str]) -> None:
        self.supi = None if told.supi is None else of(told.supi)
        self.gpsi = None if told.gpsi is None else of(told.gpsi)
        self.pei = None if told.pei is None else of(told.pei)
        self.session = told.pdu_session_id
        self.snssai = told.snssai
        self.dnn = None if told.dnn is None else redact(told.dnn)
        self.plmn = told.plmn
        self.guami = told.guami
        self.nf_instance = told.nf_instance
        self.octets = b""
