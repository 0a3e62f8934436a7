"""Pseudonyms in place of identifiers in every captured string that may leave the node (DESIGN 7, Privacy)."""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote

from collector.encoded_identifier import REMOVED, SHORTEST_RUN, without_encoded
from collector.identifier_grammar import ip_identifier
from collector.percent import decoded
from collector.pseudonym import Pseudonyms
from collector.suspicion import may_name

CACHED = 16_384  # strings remembered
CACHED_TOKENS = 4_096  # percent-encoded parts remembered: query JSON comes again and again
CACHED_SHAPES = 2_048  # strings that differ in an IMSI
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
# A token wherever it stands: a JWT, what follows Bearer, a query parameter of OAuth2 (RFC 6750 2.3, 7519).
TOKEN_WORDS = ("eyj", "bearer", "token=", "secret=", "assertion=", "password=")
_TOKEN = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}(?:\.[\w-]*){0,4}"
    r"|(?P<scheme>(?<![a-z0-9])bearer[ +=:]+)(?!removed)[^\s,;&\"']{6,}"
    r"|(?P<parameter>(?:token|secret|assertion|password)=)(?!removed)[^&#\s]+",
    re.IGNORECASE,
)
# Every pattern begins where few characters can stand or is bounded: a header of 64 KB takes milliseconds.
_PART = r"[^/?&#=;,\s\"'<>%]"
_ENCODED = re.compile(rf"(?<!{_PART})(?<!%){_PART}*%(?:{_PART}|%)*")
_ROUNDS = 8  # of percent-encoding, one inside the other
_END = r"[^\s/?&#;,\"'<>\[\]{}()|\\]"  # a character of a name that ends where URIs, lists, JSON and headers go on
_NAME = r"[^\s/?&#;:=,@\"'<>\[\]{}()|\\]"
_IP = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?|(?=[0-9a-f]{0,4}:)[0-9a-f:.]{2,45}(?:/[0-9]{1,3})?"
# What precedes an identifier that has no prefix of its own, only digits (sbi_identifiers.csv: places of UE ids).
_BEFORE_DIGITS = (
    r"(?:supis?|suci|supiorsuci|gpsis?|peis?|imsi|imeisv|imei|msisdn|ue-?ids?|(?:supi|gpsi)-list|subscriberidentifier|"
    r"subscription-data|ue-contexts|ues|exposure-data|m[to]-sm-infos|callback|"
    r"(?:nudm|nhss|n5g-ddnmf|nslpkmf|npkmf|namf-loc|nausf)[a-z0-9-]{0,40}/v[0-9]{1,3})[\"']?[/=:]\[?[\"']?"
)


Family = tuple[tuple[str, ...], re.Pattern[str]]


def _no_pseudonym(key_id: str) -> str:
    return rf"(?!(?:[0-9]{{3}}-|[0-9]{{5,6}}-)?{key_id}-[a-z2-7]{{26}})"


def families(key_id: str) -> tuple[Family, ...]:
    """Return what finds identifiers, each beside the words without which it need not look; the groups tell the kind.

    Pseudonyms under `key_id` are left alone by all, so that one may follow the other.
    """
    fresh = _no_pseudonym(key_id)
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
        (("mac-", "eui-"), r"(?P<mac>(?<![a-z0-9])(?:mac|eui)-(?:[0-9a-f]{2}[-:]?){4,}(?:untrusted)?)"),
        (
            ("nai-", "gci-", "gli-", "extid-", "impi-", "impu-"),
            rf"(?P<name>(?<![a-z0-9])(?:nai|gci|gli|extid|imp[iu])-{fresh}{_END}+)",
        ),
        (("sip:", "sips:"), rf"(?P<uri>(?<![a-z0-9])sips?:[^\s/?&#;,\"'<>@]{{1,256}}@{_END}+)"),
        (("tel:",), r"(?P<tel>(?<![a-z0-9])tel:\+?[0-9().-]{4,})"),
        (("@",), rf"(?P<at>(?<!{_NAME}){_NAME}+@[a-z0-9.-]+)"),
    )
    return tuple((words, re.compile(pattern, re.IGNORECASE)) for words, pattern in found)


_DIGITS = re.compile(
    rf"(?P<before>(?<![a-z0-9]){_BEFORE_DIGITS})(?P<digits>[0-9]{{5,}})(?![a-z0-9.-])"
    r"|(?P<tmp>(?<![a-z0-9-])[0-9]{5,6}[0-9a-f]{14}(?![a-z0-9-]))"
    r"|(?P<long>(?<![a-z0-9.%+-])[0-9]{10,16}(?![a-z0-9.%-])|(?<![a-z0-9.])[0-9]{13,16}(?![a-z0-9.]))",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    rf"(?P<query>[=\"'])(?P<ip>{_IP})(?=[&#;,\"'\]\s]|$)"
    r"|(?P<step>[a-z0-9-]/)(?P<segment>[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?=[/?#]|$)",
    re.IGNORECASE,
)


class Redaction:
    """Hides identifiers and tokens. 0.1 µs for a string met lately or with nothing to hide, else about 6 µs."""

    def __init__(self, pseudonyms: Pseudonyms, cached: int = CACHED) -> None:
        """Plain `pseudonyms` leave identifiers as they are; tokens and secret headers are left out all the same."""
        self._pseudonyms = pseudonyms
        self._families = families(pseudonyms.key_id)
        self._imsi = re.compile(rf"imsi-{_no_pseudonym(pseudonyms.key_id)}[0-9]{{5,15}}(?![0-9])")
        self._run = re.compile(rf"(?<![0-9A-Za-z%])[0-9]{{5}}(?![0-9]?-{pseudonyms.key_id}-)")
        self._cached: Callable[[str], str] = lru_cache(cached)(self._hidden)
        self._shapes: Callable[[str], str] = lru_cache(CACHED_SHAPES)(self.slowly)
        self._decoded: Callable[[str, bool], str] = lru_cache(CACHED_TOKENS)(self._look_inside)

    def text(self, value: str) -> str:
        """Return `value` with every identifier replaced where it stands, percent-encoded ones too; idempotent."""
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
        return self._alike(value) if may_name(value) else value

    def _alike(self, value: str) -> str:
        """Hide the only IMSI of a string: alone where the rest names nobody, else as in a string alike but for it.

        Paths come again with other subscribers, and a look at the rest costs a twentieth of looking for every kind.
        """
        imsi = self._imsi.search(value)
        if imsi is None or value.count("imsi-") > 1 or len(value) > LONGEST_CACHED:
            return self.slowly(value)
        before, after, of = value[: imsi.start()], value[imsi.end() :], self._pseudonyms.of
        if not after[:1].isalnum() and not may_name(f"{before}imsi~x{after}"):
            return before + of(imsi[0]) + after
        nobody = "imsi-" + "0" * (imsi.end() - imsi.start() - 5)
        hidden = self._shapes(before + nobody + after)
        shown = of(nobody)
        return hidden.replace(shown, of(imsi[0])) if hidden.count(shown) == 1 else self.slowly(value)

    def slowly(self, value: str) -> str:
        """Return what `text` returns; looks for every kind of identifier whether there may be one or not."""
        if "%" in value:
            value = _ENCODED.sub(self._encoded, value)
        return self._plain(value)

    def _plain(self, value: str) -> str:
        """Hide what is not percent-encoded, one kind after the other."""
        low = value.lower()
        for word in TOKEN_WORDS:
            if word in low:
                value = _TOKEN.sub(_without_token, value)
                break
        if self._pseudonyms.plain:
            return value
        for words, pattern in self._families:
            for word in words:
                if word in low:
                    value = replaced(pattern, words, value, self._replaced)
                    break
        if self._run.search(value):
            value = _DIGITS.sub(self._replaced, value)
        if ("=" in value or "/" in value or '"' in value) and (value.count(".") > 2 or value.count(":") > 1):
            value = _ADDRESS.sub(self._replaced, value)
        return without_encoded(value) if len(value) >= SHORTEST_RUN else value

    def _encoded(self, found: re.Match[str]) -> str:
        at, token = found.start(), found[0]
        look = self._decoded if len(token) <= LONGEST_CACHED else self._look_inside
        return look(token, at > 0 and found.string[at - 1] == "=")

    def _look_inside(self, token: str, is_value: bool) -> str:
        """Look inside percent-encoding; what holds no identifier stays as it was spelled."""
        plain, rounds = token, 0
        while rounds < _ROUNDS and "%" in plain and (once := decoded(plain)) != plain:
            plain, rounds = once, rounds + 1
        address = ip_identifier(plain) if is_value and not self._pseudonyms.plain else None
        hidden = self._pseudonyms.of(address) if address else self._plain(plain)
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
        if kind == "uri" or kind == "tel":
            return of(f"impu-{text}")
        if kind == "at":
            return of(f"nai-{text}")
        if kind == "tmp":
            return of(f"5g-guti-{text}")
        return of(_digits("", text) if kind == "long" else text)


def replaced(pattern: re.Pattern[str], words: tuple[str, ...], value: str, by: Callable[[re.Match[str]], str]) -> str:
    """Return `value` with each match of `pattern` replaced, as its `sub` does, in a third of the time.

    Every match begins with one of `words`, "@" aside; only there need the pattern be tried.
    """
    if words == ("@",) or not value.isascii():
        return pattern.sub(by, value)
    pieces: list[str] = []
    low, kept, at = value.lower(), 0, 0
    while (at := min((found for word in words if (found := low.find(word, at)) >= 0), default=-1)) >= 0:
        match = pattern.match(value, at)
        if match is None:
            at += 1
        else:
            pieces += (value[kept:at], by(match))
            kept = at = match.end()
    return "".join((*pieces, value[kept:])) if pieces else value


def _without_token(found: re.Match[str]) -> str:
    return (found["scheme"] or found["parameter"] or "") + REMOVED


def _digits(before: str, digits: str) -> str:
    """Return bare digits with the prefix that their place tells: an IMSI unless it says otherwise."""
    low = before.lower()
    for prefix, words in (("msisdn", ("gpsi", "msisdn")), ("imeisv", ("imeisv",)), ("imei", ("pei", "imei"))):
        if low.startswith(words):
            return f"{'imeisv' if prefix == 'imei' and len(digits) == 16 else prefix}-{digits}"
    return f"imeisv-{digits}" if len(digits) == 16 else f"imsi-{digits}"
