"""How subscriber identifiers are spelled (TS 29.571 5.3.2, TS 23.003), and which spellings mean the same."""

import re
from ipaddress import ip_interface

# Without prefix: the IMSI as OAI writes it, a number of equipment with its software's, a 5G-GUTI as free5GC writes it.
_BARE = (
    ("imsi", re.compile(r"[0-9]{5,15}")),
    ("imeisv", re.compile(r"[0-9]{16}")),
    ("5g-guti", re.compile(r"[0-9]{5,6}[0-9a-f]{14}")),
)
# A number that says its country (E.164), with the marks that RFC 3966 lets stand in a tel URI, and 3GPP's `msisdn-+`.
_GLOBAL = re.compile(r"(?:msisdn-|(?:impu-)?tel:)?\+([0-9][0-9 ().-]{3,40})")
_HARDWARE = re.compile(r"(?:mac|eui)-([0-9a-f](?:[-:.]?[0-9a-f]){11,15})")
_NO_DIGIT = re.compile(r"[ ().:-]")
_IMSI = re.compile(r"imsi-([0-9]{5,15})")
_NULL_SUCI_IMSI = re.compile(r"suci-0-([0-9]{3})-([0-9]{2,3})-[0-9]{1,4}-0-[0-9]{1,3}-([0-9]+)")
_NULL_SUCI_NAI = re.compile(r"suci-1-(.+)-[0-9]{1,4}-0-[0-9]{1,3}-(.+)")
_SUCI_PLMN = re.compile(r"suci-0-([0-9]{3})-([0-9]{2,3})-")
_GUTI = re.compile(r"5g-guti-([0-9]{3})([0-9]{2,3})[0-9a-f]{14}")
_IP = re.compile(r"(?:ipv4|ipv6)-(.+)")
_LIKE_IP = re.compile(r"[0-9a-f]*[.:][0-9a-f.:]+(?:/[0-9.]{1,15})?(?:%\w+)?", re.IGNORECASE | re.ASCII)
# Where digits alone are a GPSI or a PEI (sbi_identifiers.csv): members, parameters, what precedes in a path.
_OF_GPSI = re.compile(
    r"gpsi|msisdn|phone|\btel(?:no|num)?\b|e\.?164|call(?:ing|ed)|number|csrn|scaddress|mt-sm-infos|n(?:udm|hss)-pp/|"
    r"nmnpf-|id-translation-result",
    re.IGNORECASE,
)
TRANSLATION = "/id-translation-result"  # what stands behind a GPSI (TS 29.503 5.2.2.2.7)
_OF_PEI = re.compile(r"pei|imei", re.IGNORECASE)
PREFIXES = (
    "imsi", "suci", "nai", "gci", "gli", "msisdn", "extid", "imei", "imeisv", "mac", "eui", "5g-guti", "impi", "impu",
    "ipv4", "ipv6",
)  # fmt: skip


def canonical(identifier: str) -> str:
    """Return the one spelling under which an identifier counts.

    A SUCI of the null scheme reveals its SUPI and becomes it (TS 23.003 2.2B, 28.7.3); bare digits are what their
    number tells; a number that says its country is an MSISDN, as a tel URI, too; hex digits, domains and addresses have
    one form. What is no identifier comes back in lower case.
    """
    low = identifier.strip().lower()
    if "0" <= low[:1] <= "9":
        return bare(low) or low
    if low.startswith("suci-"):
        if found := _NULL_SUCI_IMSI.fullmatch(low):
            return f"imsi-{''.join(found.groups())}"
        if found := _NULL_SUCI_NAI.fullmatch(low):
            return f"nai-{found[2]}@{found[1]}"
    elif found := _IP.fullmatch(low):
        return _address(found[1]) or low
    elif "+" in low and (found := _GLOBAL.fullmatch(low)):
        return f"msisdn-{_NO_DIGIT.sub('', found[1])}"
    elif found := _HARDWARE.fullmatch(low):
        return _hardware(_NO_DIGIT.sub("", found[1])) or low
    return low


def bare(text: str) -> str | None:
    """Return the identifier that letters and digits without a prefix are; None if they are none."""
    for kind, form in _BARE:
        if form.fullmatch(text):
            return f"{kind}-{text}"
    return None


def by_place(digits: str, place: str) -> str:
    """Return digits as the identifier they are where they stand; `place`: what is before, and maybe behind.

    What names a UE of any kind (ueId, supiOrSuci) leaves it to their number.
    """
    if digits.startswith("+") or _OF_GPSI.search(place):
        return f"msisdn-{_NO_DIGIT.sub('', digits).lstrip('+')}"
    if _OF_PEI.search(place):
        return f"{'imeisv' if len(digits) == 16 else 'imei'}-{digits}"
    return bare(digits) or f"id-{digits}"


def _hardware(digits: str) -> str | None:
    pairs = "-".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return {12: f"mac-{pairs}", 16: f"eui-{pairs}"}.get(len(digits))


def _address(text: str) -> str | None:
    try:
        address = ip_interface(text)
    except ValueError:
        return None
    whole = address.network.prefixlen == address.max_prefixlen
    return f"ipv{address.version}-{address.ip if whole else address}"


def ip_identifier(text: str) -> str | None:
    """Return `ipv4-…` or `ipv6-…` of an IP address or prefix, None if `text` is none."""
    return _address(text) if 2 < len(text) < 50 and _LIKE_IP.fullmatch(text) else None


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
