"""Which NF type a message's ends are, and how we know: TS 29.510 NFType from what the headers and the service say."""

import re

# TS 29.510 6.1.6.3.3 (Rel-19). None holds a hyphen, so that a User-Agent splits at the first one.
NF_TYPES = frozenset(
    {
        "NRF",
        "UDM",
        "AMF",
        "SMF",
        "AUSF",
        "NEF",
        "PCF",
        "SMSF",
        "NSSF",
        "UDR",
        "LMF",
        "GMLC",
        "5G_EIR",
        "SEPP",
        "UPF",
        "N3IWF",
        "AF",
        "UDSF",
        "BSF",
        "CHF",
        "NWDAF",
        "PCSCF",
        "CBCF",
        "HSS",
        "UCMF",
        "SOR_AF",
        "SPAF",
        "MME",
        "SCSAS",
        "SCEF",
        "SCP",
        "NSSAAF",
        "ICSCF",
        "SCSCF",
        "DRA",
        "IMS_AS",
        "AANF",
        "5G_DDNMF",
        "NSACF",
        "MFAF",
        "EASDF",
        "DCCF",
        "MB_SMF",
        "TSCTSF",
        "ADRF",
        "GBA_BSF",
        "CEF",
        "MB_UPF",
        "NSWOF",
        "PKMF",
        "MNPF",
        "SMS_GMSC",
        "SMS_IWMSC",
        "MBSF",
        "MBSTF",
        "PANF",
        "IP_SM_GW",
        "SMS_ROUTER",
        "DCSF",
        "MRF",
        "MRFP",
        "MF",
        "SLPKMF",
        "RH",
        "EIF",
        "AIOTF",
        "ADM",
    }
)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

USER_AGENT = "user_agent"
DISCOVERY = "discovery"
SERVICE = "service"
NRF_PROFILE = "nrf_profile"
CALLBACK = "callback"


def type_of_agent(user_agent: str) -> str | None:
    """Return the NF type that a User-Agent begins with (TS 29.500 table 5.2.2.2-1), None if it names none."""
    word = re.split(r"[-/ ]", user_agent, maxsplit=1)[0].upper()
    return word if word in NF_TYPES else None


def instance_in(text: str) -> str | None:
    """Return the first UUID of a header value: an NF instance id."""
    found = UUID.search(text)
    return found.group().lower() if found else None
