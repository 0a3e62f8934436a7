"""Pseudonyms in place of identifiers in every captured string that may leave the node (DESIGN 7, Privacy)."""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, unquote

from collector.identifier_grammar import ip_identifier
from collector.pseudonym import Pseudonyms

CACHED = 16_384  # strings remembered
LONGEST_CACHED = 512
# Headers whose value never leaves the node: tokens and signed assertions (TS 29.500 5.2.3, RFC 6750).
SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "cookie",
        "set-cookie",
        "3gpp-sbi-access-token",
        "3gpp-sbi-client-credentials",
        "3gpp-sbi-source-nf-client-credentials",
    }
)
# Without one of these a string holds nothing to hide.
_HINT = re.compile(
    r"[0-9]{5}|[%@]|(?:nai|gci|gli|extid|imp[iu]|suci|mac|eui)-|sips?:|tel:"
    r"|[=/\"'][0-9a-f:.]*[0-9a-f][.:]",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"[^/?&#=;,\s\"'<>]*%[^/?&#=;,\s\"'<>]*")
_ROUNDS = 8  # of percent-encoding, one inside the other
_END = r"[^\s/?&#;,\"'<>\[\]{}()|\\]"  # a character of a name that ends where URIs, lists, JSON and headers go on
_IP = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?|(?=[0-9a-f]*:)[0-9a-f:.]{2,45}(?:/[0-9]{1,3})?"
# What precedes an identifier that has no prefix of its own, only digits (sbi_identifiers.csv: places of UE ids).
_BEFORE_DIGITS = (
    r"(?:supis?|suci|supiorsuci|gpsis?|peis?|imsi|imeisv|imei|msisdn|ue-?ids?|(?:supi|gpsi)-list|subscriberidentifier|"
    r"subscription-data|ue-contexts|ues|exposure-data|m[to]-sm-infos|callback|"
    r"(?:nudm|nhss|n5g-ddnmf|nslpkmf|npkmf|namf-loc|nausf)[a-z0-9-]*/v[0-9]+)[\"']?[/=:]\[?[\"']?"
)


def _grammar(key_id: str) -> re.Pattern[str]:
    """Return what finds an identifier, its kind as the group's name, and leaves pseudonyms under `key_id` alone."""
    done = f"{key_id}-[a-z2-7]{{26}}"
    fresh = f"(?!(?:[0-9]{{3}}-|[0-9]{{5,6}}-)?{done})"
    return re.compile(
        "|".join(
            (
                rf"(?P<imsi>imsi-{fresh}[0-9]{{5,}})",
                r"(?P<null>suci-0-[0-9]{3}-[0-9]{2,3}-[0-9]{1,4}-0-[0-9]{1,3}-[0-9]+)",
                rf"(?P<suci>suci-{fresh}[0-9]-{_END}+)",
                rf"(?P<guti>5g-guti-{fresh}[0-9a-f]{{6,}})",
                rf"(?P<gpsi>msisdn-{fresh}\+?[0-9]{{4,}})",
                rf"(?P<pei>imei(?:sv)?-{fresh}[0-9]{{5,}})",
                r"(?P<mac>(?<![a-z0-9])(?:mac|eui)-(?:[0-9a-f]{2}[-:]?){4,}(?:untrusted)?)",
                rf"(?P<name>(?<![a-z0-9])(?:nai|gci|gli|extid|imp[iu])-{fresh}{_END}+)",
                rf"(?P<uri>(?<![a-z0-9])(?:sips?:[^\s/?&#;,\"'<>]+@{_END}+|tel:\+?[0-9().-]{{4,}}))",
                r"(?P<at>[^\s/?&#;:=,\"'<>\[\]{}()|\\]+@[a-z0-9.-]+)",
                r"(?P<tmp>(?<![a-z0-9-])[0-9]{5,6}[0-9a-f]{14}(?![a-z0-9-]))",
                rf"(?P<before>(?<![a-z0-9]){_BEFORE_DIGITS})(?P<digits>[0-9]{{5,}})(?![a-z0-9.-])",
                r"(?P<long>(?<![a-z0-9.%+-])[0-9]{10,16}(?![a-z0-9.%-])|(?<![a-z0-9.])[0-9]{13,16}(?![a-z0-9.]))",
                rf"(?P<query>[=\"'])(?P<ip>{_IP})(?=[&#;,\"'\]\s]|$)",
                r"(?P<step>[a-z0-9-]/)(?P<segment>[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?=[/?#]|$)",
            )
        ),
        re.IGNORECASE,
    )


class Redaction:
    """Hides identifiers in strings. 0.1 µs for a string met lately or with nothing to hide, else about 10 µs."""

    def __init__(self, pseudonyms: Pseudonyms, cached: int = CACHED) -> None:
        """Plain `pseudonyms` leave strings as they are; secret headers are left out all the same."""
        self._pseudonyms = pseudonyms
        self._grammar = _grammar(pseudonyms.key_id)
        self._cached: Callable[[str], str] = lru_cache(cached)(self._hidden)

    def text(self, value: str) -> str:
        """Return `value` with every identifier replaced where it stands, percent-encoded ones too; idempotent."""
        if self._pseudonyms.plain:
            return value
        return self._cached(value) if len(value) <= LONGEST_CACHED else self._hidden(value)

    def header(self, name: str, value: str) -> str | None:
        """Return a header's value without identifiers; None if it must not leave the node. `name` in lower case."""
        if name in SECRET_HEADERS:
            return None
        if "-ue-ip" in name or "-ue-mac" in name:  # 3gpp-Sbi-Discovery-*: the value alone does not say what it is
            return value if self._pseudonyms.plain else self._address(value)
        return self.text(value)

    def _address(self, value: str) -> str:
        found = ip_identifier(value.strip('"'))
        return self._pseudonyms.of(found) if found else self.text(value)

    def _hidden(self, value: str) -> str:
        if not _HINT.search(value):
            return value
        if "%" in value:
            value = _ENCODED.sub(self._decoded, value)
        return self._grammar.sub(self._replaced, value)

    def _decoded(self, found: re.Match[str]) -> str:
        """Look inside percent-encoding; what holds no identifier stays as it was spelled."""
        token = plain = found[0]
        rounds = 0
        while rounds < _ROUNDS and "%" in plain and (once := unquote(plain)) != plain:
            plain, rounds = once, rounds + 1
        in_query = found.string[max(0, found.start() - 1) : found.start()]
        address = ip_identifier(plain) if in_query == "=" else None
        hidden = self._pseudonyms.of(address) if address else self._grammar.sub(self._replaced, plain)
        if hidden == plain:
            return token
        for _ in range(rounds):
            hidden = quote(hidden, safe="~:@!$'()*+")
        return hidden

    def _replaced(self, found: re.Match[str]) -> str:
        kind, text, of = found.lastgroup, found[0], self._pseudonyms.of
        if kind == "digits":
            return found["before"] + of(_digits(found["before"], found["digits"]))
        if kind == "ip" or kind == "segment":
            address = ip_identifier(found[kind])
            return text if address is None else text[: -len(found[kind])] + of(address)
        if kind == "uri":
            return of(f"impu-{text}")
        if kind == "at":
            return of(f"nai-{text}")
        if kind == "tmp":
            return of(f"5g-guti-{text}")
        return of(_digits("", text) if kind == "long" else text)


def _digits(before: str, digits: str) -> str:
    """Return bare digits with the prefix that their place tells: an IMSI unless it says otherwise."""
    low = before.lower()
    for prefix, words in (("msisdn", ("gpsi", "msisdn")), ("imeisv", ("imeisv",)), ("imei", ("pei", "imei"))):
        if low.startswith(words):
            return f"{'imeisv' if prefix == 'imei' and len(digits) == 16 else prefix}-{digits}"
    return f"imeisv-{digits}" if len(digits) == 16 else f"imsi-{digits}"
