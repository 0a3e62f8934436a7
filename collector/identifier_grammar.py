"""How subscriber identifiers are spelled (TS 29.571 5.3.2, TS 23.003), and which spellings mean the same."""

import re
from ipaddress import ip_interface

BARE_SUPI = re.compile(r"[0-9]{5,15}")  # OAI writes the IMSI without its prefix
_IMSI = re.compile(r"imsi-([0-9]{5,15})")
_NULL_SUCI_IMSI = re.compile(r"suci-0-([0-9]{3})-([0-9]{2,3})-[0-9]{1,4}-0-[0-9]{1,3}-([0-9]+)")
_NULL_SUCI_NAI = re.compile(r"suci-1-(.+)-[0-9]{1,4}-0-[0-9]{1,3}-(.+)")
_SUCI_PLMN = re.compile(r"suci-0-([0-9]{3})-([0-9]{2,3})-")
_GUTI = re.compile(r"5g-guti-([0-9]{3})([0-9]{2,3})[0-9a-f]{14}")
_IP = re.compile(r"(?:ipv4|ipv6)-(.+)")
PREFIXES = (
    "imsi", "suci", "nai", "gci", "gli", "msisdn", "extid", "imei", "imeisv", "mac", "eui", "5g-guti", "impi", "impu",
    "ipv4", "ipv6",
)  # fmt: skip


def canonical(identifier: str) -> str:
    """Return the one spelling under which an identifier counts.

    A SUCI of the null scheme reveals its SUPI and becomes it (TS 23.003 2.2B, 28.7.3); bare digits are an IMSI; hex
    digits, domains and IP addresses have one form. What is no identifier comes back in lower case.
    """
    low = identifier.strip().lower()
    if BARE_SUPI.fullmatch(low):
        return f"imsi-{low}"
    if low.startswith("suci-"):
        if found := _NULL_SUCI_IMSI.fullmatch(low):
            return f"imsi-{''.join(found.groups())}"
        if found := _NULL_SUCI_NAI.fullmatch(low):
            return f"nai-{found[2]}@{found[1]}"
    elif found := _IP.fullmatch(low):
        return _address(found[1]) or low
    return low.replace("msisdn-+", "msisdn-", 1)


def _address(text: str) -> str | None:
    try:
        address = ip_interface(text)
    except ValueError:
        return None
    whole = address.network.prefixlen == address.max_prefixlen
    return f"ipv{address.version}-{address.ip if whole else address}"


def ip_identifier(text: str) -> str | None:
    """Return `ipv4-…` or `ipv6-…` of an IP address or prefix, None if `text` is none."""
    return _address(text) if 2 < len(text) < 50 else None


def kind_of(identifier: str) -> str | None:
    """Return the prefix of an identifier (`imsi`, `5g-guti`, …), None if it has none of them."""
    if identifier.startswith("5g-guti-"):
        return "5g-guti"
    kind = identifier.partition("-")[0]
    return kind if kind in PREFIXES and len(kind) < len(identifier) else None


def plmn_candidates(identifier: str) -> tuple[str, ...]:
    """Return the PLMN ids, mccmnc, that a canonical identifier may belong to; the MCC alone is its first 3 digits.

    An IMSI does not say how long its MNC is, a SUCI and a 5G-GUTI do.
    """
    if found := _IMSI.fullmatch(identifier):
        return found[1][:6], found[1][:5]
    if found := _SUCI_PLMN.match(identifier) or _GUTI.fullmatch(identifier):
        return (found[1] + found[2],)
    return ()
