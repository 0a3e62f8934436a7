"""What an identifier, an address or a token looks like inside another text: the patterns that redaction tries.

Every pattern begins where few characters can stand or is bounded: a header of 64 KB takes milliseconds.
"""

import re

Family = tuple[tuple[str, ...], re.Pattern[str]]

# A token wherever it stands: a JWT, what follows Bearer, a query parameter of OAuth2 (RFC 6750 2.3, 7519).
TOKEN_WORDS = ("eyj", "bearer", "token=", "secret=", "assertion=", "password=")
TOKEN = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"
    r"|(?P<scheme>(?<![a-z0-9])bearer[ +=:]+)(?!removed)[^\s,;&\"']{6,}"
    r"|(?P<parameter>(?:token|secret|assertion|password)=)(?!removed)[^&#\s]+",
    re.IGNORECASE,
)
_PART = r"[^/?&#=;,\s\"'<>%]"
ENCODED = re.compile(rf"(?<!{_PART})(?<!%){_PART}*%(?:{_PART}|%)*")
_END = r"[^\s/?&#;,\"'<>\[\]{}()|\\]"  # a character of a name that ends where URIs, lists, JSON and headers go on
_NAME = r"[^\s/?&#;:=,@\"'<>\[\]{}()|\\]"


def no_pseudonym(key_id: str) -> str:
    """Return what no pseudonym under `key_id` goes on with behind its kind."""
    return rf"(?!(?:[0-9]{{3}}-|[0-9]{{5,6}}-)?{key_id}-[a-z2-7]{{26}})"


def families(key_id: str) -> tuple[Family, ...]:
    """Return what finds identifiers, each beside the words without which it need not look; the groups tell the kind.

    Pseudonyms under `key_id` are left alone by all, so that one may follow the other.
    """
    fresh = no_pseudonym(key_id)
    found = (
        (("imsi-",), rf"(?P<imsi>imsi-{fresh}[0-9]{{5,}})"),
        (
            ("suci-",),
            (
                r"(?P<null>suci-0-[0-9]{3}-[0-9]{2,3}-[0-9]{1,4}-0-[0-9]{1,3}-[0-9]+)"
                rf"|(?P<suci>suci-{fresh}[0-9]-{_END}+)"
            ),
        ),
        (("5g-guti-",), rf"(?P<guti>5g-guti-{fresh}[0-9a-f]{{6,}})"),
        (("msisdn-",), rf"(?P<gpsi>msisdn-{fresh}\+?[0-9]{{4,}})"),
        (("imei",), rf"(?P<pei>imei(?:sv)?-{fresh}[0-9]{{5,}})"),
        (
            ("mac-", "eui-"),
            rf"(?P<mac>(?<![a-z0-9])(?:mac|eui)-{fresh}(?:[0-9a-f]{{2}}[-:]?){{3,}}[0-9a-f]{{2}}(?:-untrusted)?)",
        ),
        (
            ("impu-tel:", "tel:"),
            (
                r"(?P<tel>(?<![a-z0-9])(?:impu-)?tel:(?=\+?[0-9().-][0-9(). -]{3})"
                r"\+?[0-9().-]{1,32}(?: [0-9().-]{1,32}){0,8})"
            ),
        ),
        (
            ("nai-", "gci-", "gli-", "extid-", "impi-", "impu-"),
            rf"(?P<name>(?<![a-z0-9])(?:nai|gci|gli|extid|imp[iu])-{fresh}{_END}+)",
        ),
        (("sip:", "sips:"), rf"(?P<uri>(?<![a-z0-9])sips?:[^\s/?&#;,\"'<>@]{{1,256}}@{_END}+)"),
        # Between two @ may stand anything: else what is hidden behind it would be hidden again, as part of more.
        (("@",), rf"(?P<at>(?<!{_NAME}){_NAME}++(?:@{_NAME}++){{0,8}}(?:@[a-z0-9.-]+)+)"),
    )
    return tuple((words, re.compile(pattern, re.IGNORECASE)) for words, pattern in found)


# A number with its country, however it is parted: no sum and no time zone (`1+2`, `+0200`).
GLOBAL = re.compile(r"(?P<global>(?<![a-z0-9.])\+[1-9](?:[ ().-]{0,2}[0-9]){4,18})", re.IGNORECASE)
_PAIR = "[0-9a-fA-F]{2}"
# Six or eight octets in hex that are no part of an IPv6 address: a first pair at the begin of a word, or behind `mac`.
HARDWARE = re.compile(
    rf"{_PAIR}(?<!::..)(?:(?<=[mM][aA][cC]..)|(?<![0-9a-zA-Z]..))"
    rf"(?:(?:-{_PAIR}){{5,7}}|(?::{_PAIR}){{5,7}})(?![0-9a-fA-F]|:[0-9a-fA-F:])"
)
HARDWARE_PARAMETER = re.compile(
    r"(?P<parameter>mac(?:[_-]?addr(?:ess)?)?(?:48)?=)(?P<digits>[0-9a-f]{12})(?![0-9a-z])", re.IGNORECASE
)
