# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which NF type and instance the ends of an exchange are, and how we know (TS 29.500 5.2.2.2, 6.10; TS 29.510)."""

import re
from typing import NamedTuple

import cython

from collector.inventory import PROXIES

if cython.compiled:
    from cython.cimports.collector.inventory import Inventory
else:
    from collector.inventory import Inventory

USER_AGENT = "user_agent"
DISCOVERY = "discovery"
SERVICE = "service"
NRF_PROFILE = "nrf_profile"
CALLBACK = "callback"
PROCESS = "process"
CACHED = 4_096

# TS 29.510 6.1.6.3.3 (Rel-19). None holds a hyphen, so that a User-Agent splits at the first one.
_NAMES = """
NRF UDM AMF SMF AUSF NEF PCF SMSF NSSF UDR LMF GMLC 5G_EIR SEPP UPF N3IWF AF UDSF BSF CHF NWDAF PCSCF CBCF HSS UCMF
SOR_AF SPAF MME SCSAS SCEF SCP NSSAAF ICSCF SCSCF DRA IMS_AS AANF 5G_DDNMF NSACF MFAF EASDF DCCF MB_SMF TSCTSF ADRF
GBA_BSF CEF MB_UPF NSWOF PKMF MNPF SMS_GMSC SMS_IWMSC MBSF MBSTF PANF IP_SM_GW SMS_ROUTER DCSF MRF MRFP MF SLPKMF RH
EIF AIOTF ADM
"""
NF_TYPES = frozenset(_NAMES.split())
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Processes of known cores: open5gs-amfd, oai_amf, oai-amf, amf (free5GC).
PROCESS_NAME = re.compile(r"(?:open5gs-([a-z0-9]+)d|(?:oai[-_])?([a-z0-9]{2,8}?)(?:-main)?)")
NAME_OF_TYPE = re.compile(r"([A-Z0-9_]+)(?:[-/ ].*)?", re.DOTALL)


class End(NamedTuple):
    """Who stands at one end of an exchange; None = not known."""

    nf_type: str | None
    source: str | None
    instance: str | None


NOBODY = End(None, None, None)


def type_of_agent(user_agent: str) -> str | None:
    """Return the NF type that a User-Agent or Server field begins with (TS 29.500 table 5.2.2.2-1), or None."""
    found = NAME_OF_TYPE.fullmatch(user_agent)
    return found[1] if found and found[1] in NF_TYPES else None


def type_of_process(name: str) -> str | None:
    """Return the NF type that a process name of a known core tells, or None."""
    found = PROCESS_NAME.fullmatch(name.lower())
    word = (found[1] or found[2]).upper() if found else None
    return word if word in NF_TYPES else None


def instance_in(text: str) -> str | None:
    """Return the first UUID of a field: an NF instance id."""
    found = UUID.search(text)
    return found.group().lower() if found else None


@cython.final
@cython.cclass
class NetworkFunctions:
    """Concludes who asks and who answers, strongest evidence first; keeps conclusions until the inventory changes."""

    def __init__(self, inventory: Inventory) -> None:
        """Conclude with what `inventory` knows at that time."""
        self._inventory = inventory
        self._version = 0
        self._consumers: dict[tuple[str | None, ...], End] = {}
        self._producers: dict[tuple[str | None, ...], End] = {}

    def consumer(
        self,
        user_agent: str | None,
        requester: str | None,
        callback_of: str | None,
        address: str,
        process: str | None,
    ) -> End:
        """Return who asks.

        `requester`: NF type in discovery parameters; `callback_of`: NF type whose service a callback belongs to, which
        sends it; `address`: the client's; `process`: name of the client's process.
        """
        key = (user_agent, requester, callback_of, address, process)
        if self._version != self._inventory.version:
            self._forget()
        end: End | None = self._consumers.get(key)
        return end if end is not None else self._concluded_consumer(key)

    def producer(
        self,
        service_nf: str | None,
        target: str | None,
        receiver: str | None,
        place: str | None,
        service: str | None,
        process: str | None,
    ) -> End:
        """Return who answers in the end, whatever proxies stand between.

        service_nf: NF type that offers the service, None for a callback. target: NF type in discovery headers.
        receiver: NF type that asked for this callback. place: authority that is meant. process: name of the server's.
        """
        key = (service_nf, target, receiver, place, service, process)
        if self._version != self._inventory.version:
            self._forget()
        end: End | None = self._producers.get(key)
        return end if end is not None else self._concluded_producer(key)

    def _forget(self) -> None:
        self._version = self._inventory.version
        self._consumers.clear()
        self._producers.clear()

    def _concluded_consumer(self, key: tuple[str | None, ...]) -> End:
        user_agent, requester, callback_of, address, process = key
        told = type_of_agent(user_agent) if user_agent else None
        instance = instance_in(user_agent) if user_agent else None
        by_profile = (self._inventory.type_of(instance) if instance else None) or self._inventory.type_at_host(
            address or ""
        )
        end = _first(
            (told, USER_AGENT),
            (requester if requester in NF_TYPES else None, DISCOVERY),
            (callback_of, CALLBACK),
            (by_profile if by_profile not in PROXIES else None, NRF_PROFILE),
            (type_of_process(process) if process else None, PROCESS),
        )
        return _remember(self._consumers, key, end._replace(instance=instance if end.nf_type else None))

    def _concluded_producer(self, key: tuple[str | None, ...]) -> End:
        service_nf, target, receiver, place, service, process = key
        by_profile, instance = self._inventory.at(place, service) if place else (None, None)
        if by_profile in PROXIES and service_nf not in PROXIES and receiver not in PROXIES:
            by_profile = instance = None
        if by_profile is not None and service_nf is not None and by_profile != service_nf:
            # A request sent to an NF that does not offer the service: its profile tells who answers.
            return _remember(self._producers, key, End(by_profile, NRF_PROFILE, instance))
        end = _first(
            (target if target in NF_TYPES else None, DISCOVERY),
            (service_nf, SERVICE),
            (receiver, CALLBACK),
            (by_profile, NRF_PROFILE),
            (type_of_process(process) if process else None, PROCESS),
        )
        instance = instance if end.nf_type == by_profile else None
        return _remember(self._producers, key, end._replace(instance=instance))


def _first(*evidence: tuple[str | None, str]) -> End:
    return next((End(nf_type, source, None) for nf_type, source in evidence if nf_type), NOBODY)


def _remember(cache: dict[tuple[str | None, ...], End], key: tuple[str | None, ...], end: End) -> End:
    if len(cache) >= CACHED:
        cache.clear()
    cache[key] = end
    return end
