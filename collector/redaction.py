"""Pseudonyms in place of identifiers in every captured string that may leave the node (DESIGN 7, Privacy)."""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote

from collector.addresses import may_hold_address, without_placed, without_said
from collector.bare_numbers import without_numbers
from collector.encoded_identifier import REMOVED, SHORTEST_RUN, without_encoded
from collector.identifier_grammar import ip_identifier
from collector.identifier_patterns import (
    ENCODED,
    GLOBAL,
    HARDWARE,
    HARDWARE_PARAMETER,
    TOKEN,
    TOKEN_WORDS,
    families,
    no_pseudonym,
)
from collector.percent import decoded
from collector.pseudonym import Pseudonyms, is_pseudonym
from collector.secret_headers import SECRET_HEADERS
from collector.suspicion import may_name

CACHED = 16_384  # strings remembered
CACHED_TOKENS = 4_096  # percent-encoded parts remembered: query JSON comes again and again
CACHED_SHAPES = 2_048  # strings that differ in an IMSI
LONGEST_CACHED = 512
_ROUNDS = 8  # of percent-encoding, one inside the other
_LONGEST_CONTEXT = 48  # characters before something percent-encoded that may tell what it is
_WHOM = re.compile(r"supi|gpsi|msisdn|pei|suci|imsi|ue-id")  # parameters whose value is an identifier, maybe bare
_PREFIX = {"uri": "impu-", "at": "nai-"}
_PORT = re.compile(r":[0-9]{1,5}\Z")
DISCOVERY = "3gpp-sbi-discovery-"


class Redaction:
    """Hides identifiers and tokens. 0.1 µs for a string met lately or with nothing to hide, else about 6 µs."""

    def __init__(self, pseudonyms: Pseudonyms, cached: int = CACHED) -> None:
        """Plain `pseudonyms` leave identifiers as they are; tokens and secret headers are left out all the same."""
        self._pseudonyms = pseudonyms
        self._of = pseudonyms.of
        self._families = families(pseudonyms.key_id)
        self._imsi = re.compile(rf"imsi-{no_pseudonym(pseudonyms.key_id)}[0-9]{{5,15}}(?![0-9])")
        self._cached: Callable[[str], str] = lru_cache(cached)(self._hidden)
        self._shapes: Callable[[str], str] = lru_cache(CACHED_SHAPES)(self.slowly)
        self._decoded: Callable[[str, str], str] = lru_cache(CACHED_TOKENS)(self._look_inside)

    def text(self, value: str) -> str:
        """Return `value` with every identifier replaced where it stands, percent-encoded ones too; idempotent."""
        return self._cached(value) if len(value) <= LONGEST_CACHED else self._hidden(value)

    def header(self, name: str, value: str) -> str | None:
        """Return a header's value without identifiers; None if it must not leave the node. `name` in lower case."""
        if name in SECRET_HEADERS:
            return None
        if name.startswith(DISCOVERY) and not self._pseudonyms.plain:  # the value alone does not say what it is
            if "-ue-ip" in name or "-ue-mac" in name:
                return self._address(value, "-ue-mac" in name)
            if _WHOM.search(name, len(DISCOVERY)):
                parameter = name[len(DISCOVERY) :] + "="
                return self.text(parameter + value).removeprefix(parameter)
        return self.text(value)

    def sentence(self, value: str) -> str:
        """Return what `text` does, without the IP addresses that stand in a sentence or alone; not those of URIs."""
        hidden = self.text(value)
        return without_said(hidden, self._of) if may_hold_address(hidden) and not self._pseudonyms.plain else hidden

    def _address(self, value: str, is_mac: bool) -> str:
        """Return what stands for the address of a UE; whatever else is said there is taken for one."""
        plain, _ = _plainly(value)
        plain = plain.strip('" ')
        if not plain or is_pseudonym(plain):
            return value
        if is_mac:
            return self._of(f"mac-{plain.lower().removeprefix('mac-')}")
        return self._of(ip_identifier(plain) or ip_identifier(_PORT.sub("", plain).strip("[]")) or f"id-{plain}")

    def _hidden(self, value: str) -> str:
        return self._alike(value) if may_name(value) else value

    def _alike(self, value: str) -> str:
        """Hide the only IMSI of a string: alone where the rest names nobody, else as in a string alike but for it.

        Paths come again with other subscribers, and a look at the rest costs a twentieth of looking for every kind.
        """
        at = value.find("imsi-")
        if at < 0 or value.find("imsi-", at + 5) >= 0 or len(value) > LONGEST_CACHED:
            return self.slowly(value)
        imsi = self._imsi.match(value, at)
        if imsi is None:
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
            value = ENCODED.sub(self._encoded, value)
        return self._plain(value)

    def _plain(self, value: str) -> str:
        """Hide what is not percent-encoded, one kind after the other."""
        low = value.lower()
        for word in TOKEN_WORDS:
            if word in low:
                value = TOKEN.sub(_without_token, value)
                break
        if self._pseudonyms.plain:
            return value
        for words, pattern in self._families:
            for word in words:
                if word in low:
                    value = replaced(pattern, words, value, self._replaced)
                    break
        if "mac" in low and "=" in low:
            value = HARDWARE_PARAMETER.sub(self._replaced, value)
        if "+" in value:
            value = GLOBAL.sub(self._replaced, value)
        value = without_numbers(value, self._pseudonyms.key_id, self._of)
        if value.count("-") > 4 or value.count(":") > 4:
            value = HARDWARE.sub(self._replaced, value)
        if may_hold_address(value):
            if "=" in value or "/" in value or '"' in value:
                value = without_placed(value, self._of)
            if "?" in value:  # a filter may stand in a query
                path, _, query = value.partition("?")
                value = f"{path}?{without_said(query, self._of)}"
        return without_encoded(value) if len(value) >= SHORTEST_RUN else value

    def _encoded(self, found: re.Match[str]) -> str:
        token = found[0]
        look = self._decoded if len(token) <= LONGEST_CACHED else self._look_inside
        return look(token, _before(found.string, found.start()))

    def _look_inside(self, token: str, before: str) -> str:
        """Look inside percent-encoding; what holds no identifier stays as it was spelled.

        `before` tells what it is. What is still encoded after all rounds may be anything, and is removed.
        """
        plain, rounds = _plainly(token)
        if rounds > _ROUNDS:
            return REMOVED
        hidden = self._plain(before + plain)
        hidden = hidden.removeprefix(before) if hidden.startswith(before) else self._plain(plain)
        if before.endswith("=") and may_hold_address(hidden) and not self._pseudonyms.plain:
            hidden = without_said(hidden, self._of)
        if hidden == plain:
            return token
        for _ in range(rounds):
            hidden = quote(hidden, safe="~:@!$'()*+")
        return hidden

    def _replaced(self, found: re.Match[str]) -> str:
        kind, text = found.lastgroup, found[0]
        if kind == "digits":
            return found["parameter"] + self._of(f"mac-{found['digits']}")
        if kind == "tel":
            return self._of(text if text.lower().startswith("impu-") else f"impu-{text}")
        if kind is None:
            return self._of(f"mac-{text}")
        return self._of(_PREFIX.get(kind, "") + text)


def replaced(pattern: re.Pattern[str], words: tuple[str, ...], value: str, by: Callable[[re.Match[str]], str]) -> str:
    """Return `value` with each match of `pattern` replaced, as its `sub` does, in a third of the time.

    Every match begins with one of `words`, "@" aside; only there need the pattern be tried.
    """
    if words == ("@",) or not value.isascii():
        return pattern.sub(by, value)
    pieces: list[str] = []
    low, kept, at = value.lower(), 0, 0
    ahead = {word: found for word in words if (found := low.find(word)) >= 0}
    while ahead:
        at = min(ahead.values())
        match = pattern.match(value, at)
        if match is None:
            at += 1
        else:
            pieces += (value[kept:at], by(match))
            kept = at = match.end()
        for word in [word for word, place in ahead.items() if place < at]:
            ahead[word] = low.find(word, at)
            if ahead[word] < 0:
                del ahead[word]
    return "".join((*pieces, value[kept:])) if pieces else value


def _without_token(found: re.Match[str]) -> str:
    return (found["scheme"] or found["parameter"] or "") + REMOVED


def _before(text: str, at: int) -> str:
    """Return what stands before `at` and tells what follows: `supi=`, `nudm-sdm/v2/`, `ues/`, else the mark alone.

    The value of a token has nothing before it: it is removed as it is spelled, and as a whole.
    """
    near = text[max(0, at - _LONGEST_CONTEXT) : at]
    if near.endswith("="):
        name = near[max(near.rfind("&"), near.rfind("?")) + 1 :]
        return "" if name.lower().endswith(TOKEN_WORDS) else name if _is_name(name[:-1]) else "="
    if not near.endswith("/") or near[-2:-1] in ("", "/", ":"):
        return ""
    above, _, segment = near[:-1].rpartition("/")
    if segment[:1] in "vV" and segment[1:].isdigit() and len(segment) < 5:
        segment = f"{above.rpartition('/')[2]}/{segment}"
    return f"{segment}/" if _is_name(segment.partition("/")[0]) else near[-2:]


def _is_name(text: str) -> bool:
    return text.isascii() and text.replace("-", "").isalpha()


def _plainly(text: str) -> tuple[str, int]:
    """Return a text without its percent-encoding and in how many rounds it went; more than there may be: not all."""
    for rounds in range(_ROUNDS + 1):
        once = decoded(text)
        if once == text:
            return text, rounds
        text = once
    return text, _ROUNDS + 1
