# cython: language_level=3, boundscheck=True
"""NF profiles in NRF registrations, notifications and discovery answers (TS 29.510 6.1.6.2.2, 6.2.6.2.3)."""

from dataclasses import dataclass
from typing import Any

from collector.identifiers import UUID, snssai_text

MOST_SERVICES = 64
MOST_PROFILES = 256


@dataclass(frozen=True, slots=True)
class NfService:
    """One service of an NF; authorities are `host:port` as a client of it would write them."""

    name: str
    authorities: tuple[str, ...]
    status: str | None = None


@dataclass(frozen=True, slots=True)
class NfProfile:
    """What is known of one NF instance; what the document does not say is None or empty."""

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
    instance_id, nf_type = document.get("nfInstanceId"), _text(document.get("nfType"))
    if not isinstance(instance_id, str) or not UUID.fullmatch(instance_id):
        return None
    if nf_type is None and "nfStatus" not in document:
        return None  # a document that merely names an NF
    fqdn, addresses = _text(document.get("fqdn")), _texts(document, "ipv4Addresses", "ipv6Addresses")
    heartbeat = document.get("heartBeatTimer")
    slices = (snssai_text(one) for one in _list(document.get("sNssais")))
    return NfProfile(
        instance_id.lower(),
        nf_type,
        _text(document.get("nfStatus")),
        fqdn,
        addresses,
        tuple(_service(one, fqdn, addresses) for one in _services(document)),
        tuple(one for one in slices if one),
        heartbeat if type(heartbeat) is int else None,
    )


def profiles_of(documents: object) -> tuple[NfProfile, ...]:
    """Return the profiles of a list."""
    found = (profile_of(one) for one in _list(documents)[:MOST_PROFILES])
    return tuple(one for one in found if one is not None)


def _services(document: dict[str, Any]) -> list[dict[str, Any]]:
    by_id = document.get("nfServiceList")
    listed = list(by_id.values()) if isinstance(by_id, dict) else []
    every = [*_list(document.get("nfServices")), *listed][:MOST_SERVICES]
    return [one for one in every if isinstance(one, dict) and isinstance(one.get("serviceName"), str)]


def _service(service: dict[str, Any], fqdn: str | None, addresses: tuple[str, ...]) -> NfService:
    """Return a service; without own addresses it has those of its NF (TS 29.510 6.1.6.2.3)."""
    default = 443 if service.get("scheme") == "https" else 80
    ends = [end for end in _list(service.get("ipEndPoints")) if isinstance(end, dict)]
    port = next((end["port"] for end in ends if type(end.get("port")) is int), default)
    hosts = [(host, end.get("port", default)) for end in ends for host in _texts(end, "ipv4Address", "ipv6Address")]
    hosts = hosts or [(host, port) for host in addresses]
    names = [name for name in (_text(service.get("fqdn")), fqdn) if name]
    every = hosts + [(name.lower(), port) for name in names[:1]]
    authorities = tuple(f"[{host}]:{number}" if ":" in host else f"{host}:{number}" for host, number in every)
    return NfService(service["serviceName"], authorities, _text(service.get("nfServiceStatus")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(document: dict[str, Any], *keys: str) -> tuple[str, ...]:
    values = (value for key in keys for value in _list(document.get(key)) or [document.get(key)])
    return tuple(value for value in values if isinstance(value, str))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
