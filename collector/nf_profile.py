# cython: language_level=3, boundscheck=True
"""NF profiles in NRF registrations, notifications and discovery answers (TS 29.510 6.1.6.2.2, 6.2.6.2.3).

Anybody may send one: each list has a bound, and a text that is longer than what it may be is not told.
"""

from dataclasses import dataclass
from typing import Any

from collector.identifiers import UUID, snssai_text
from collector.text_weight import OBJECT, texts_weight

MOST_SERVICES = 64
MOST_PROFILES = 256
MOST_ADDRESSES = 16  # of an NF, and authorities of a service; a real one has a handful
MOST_AUTHORITIES = 128  # of all services of an NF, those of the same places counted once
MOST_SLICES = 64
LONGEST_NAME = 128  # characters of a type, state or service name
LONGEST_HOST = 253  # of an FQDN (RFC 1035) or address
OVERHEAD = 512  # about what a profile takes beside its texts and services
PORTS = range(65_536)


@dataclass(frozen=True, slots=True)
class NfService:
    """One service of an NF; authorities are `host:port` as a client of it would write them."""

    name: str
    authorities: tuple[str, ...]
    status: str | None = None


@dataclass(frozen=True, slots=True)
class NfProfile:
    """What is known of one NF instance; what the document does not say is None or empty.

    Services at the same places have the same tuple of authorities.
    """

    instance_id: str
    nf_type: str | None
    status: str | None
    fqdn: str | None
    addresses: tuple[str, ...]
    services: tuple[NfService, ...]
    snssais: tuple[str, ...]
    heartbeat_s: int | None


def profile_of(document: object) -> NfProfile | None:
    """Return the profile that a JSON object is, None if it is none."""
    if not isinstance(document, dict):
        return None
    instance_id, nf_type = document.get("nfInstanceId"), _text(document.get("nfType"), LONGEST_NAME)
    if not isinstance(instance_id, str) or not UUID.fullmatch(instance_id):
        return None
    if nf_type is None and "nfStatus" not in document:
        return None  # a document that merely names an NF
    fqdn, addresses = _text(document.get("fqdn"), LONGEST_HOST), _hosts(document, "ipv4Addresses", "ipv6Addresses")
    heartbeat = document.get("heartBeatTimer")
    slices = (snssai_text(one) for one in _list(document.get("sNssais"))[:MOST_SLICES])
    return NfProfile(
        instance_id.lower(),
        nf_type,
        _text(document.get("nfStatus"), LONGEST_NAME),
        fqdn,
        addresses,
        _services(document, fqdn, addresses),
        tuple(one for one in slices if one),
        heartbeat if type(heartbeat) is int else None,
    )


def profiles_of(documents: object) -> tuple[NfProfile, ...]:
    """Return the profiles of a list."""
    found = (profile_of(one) for one in _list(documents)[:MOST_PROFILES])
    return tuple(one for one in found if one is not None)


def profile_weight(profile: NfProfile) -> int:
    """Return about how many octets a profile takes."""
    weight = OVERHEAD + texts_weight((profile.nf_type, profile.status, profile.fqdn))
    weight += texts_weight(profile.addresses) + texts_weight(profile.snssais)
    for service in profile.services:
        weight += 2 * OBJECT + texts_weight((service.name, service.status))
    return weight + texts_weight(authorities_of(profile))


def authorities_of(profile: NfProfile) -> list[str]:
    """Return where the services of an NF are, a list of places that several have but once."""
    return [one for authorities in {service.authorities for service in profile.services} for one in authorities]


def _services(document: dict[str, Any], fqdn: str | None, addresses: tuple[str, ...]) -> tuple[NfService, ...]:
    """Return the services of an NF; of more than MOST_AUTHORITIES places the last ones are not told."""
    by_id = document.get("nfServiceList")
    listed = list(by_id.values()) if isinstance(by_id, dict) else []
    found: list[NfService] = []
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    left = MOST_AUTHORITIES
    for one in [*_list(document.get("nfServices")), *listed][:MOST_SERVICES]:
        name = one.get("serviceName") if isinstance(one, dict) else None
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            continue
        every = _authorities(one, fqdn, addresses)
        authorities = shared.get(every)
        if authorities is None:
            authorities = shared[every] = every[:left]
            left -= len(authorities)
        found.append(NfService(name, authorities, _text(one.get("nfServiceStatus"), LONGEST_NAME)))
    return tuple(found)


def _authorities(service: dict[str, Any], fqdn: str | None, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Return where a service is; without own addresses it has those of its NF (TS 29.510 6.1.6.2.3)."""
    default = 443 if service.get("scheme") == "https" else 80
    ends = [(end, _port(end)) for end in _list(service.get("ipEndPoints"))[:MOST_ADDRESSES] if isinstance(end, dict)]
    port = next((number for _, number in ends if number is not None), default)
    hosts = [
        (host, default if number is None else number)
        for end, number in ends
        for host in _hosts(end, "ipv4Address", "ipv6Address")
    ]
    hosts = hosts or [(host, port) for host in addresses]
    name = _text(service.get("fqdn"), LONGEST_HOST) or fqdn
    every = hosts[:MOST_ADDRESSES] if name is None else [*hosts[: MOST_ADDRESSES - 1], (name.lower(), port)]
    return tuple([f"[{host}]:{number}" if ":" in host else f"{host}:{number}" for host, number in every])


def _port(end: dict[str, Any]) -> int | None:
    port = end.get("port")
    return port if type(port) is int and port in PORTS else None


def _text(value: object, longest: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


def _hosts(document: dict[str, Any], *keys: str) -> tuple[str, ...]:
    values = [value for key in keys for value in (_list(document.get(key)) or [document.get(key)])[:MOST_ADDRESSES]]
    hosts = [value for value in values if isinstance(value, str) and 0 < len(value) <= LONGEST_HOST]
    return tuple(hosts[:MOST_ADDRESSES])


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
