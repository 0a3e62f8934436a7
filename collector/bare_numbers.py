"""Which digits without a prefix are somebody's: by what stands before them, by their length, by their neighbours."""

import re
from collections.abc import Callable
from itertools import product

from collector.identifier_grammar import TRANSLATION, by_place

_RUN = re.compile(r"[0-9]{5,}")
_GUTI = re.compile(r"[0-9]{5,6}[0-9a-fA-F]{14}(?![0-9a-zA-Z-])")
_CODE = re.compile(r"-[a-z2-7]{26}")
_INSIDE_UUID = re.compile(r"-[0-9a-fA-F]{4}-")
LONG = 13  # digits that count whatever stands beside them
LONG_ENOUGH = 10  # digits that count where no fraction, no UUID and no letter is beside them
UUID_TAIL = 12
# What tells whose the digits behind it are: a word, its plural, a list (sbi_identifiers.csv: places of UE ids).
_MARKS = "\\\"' _#/=:(["
_GLUED = ("imsi", "msisdn", "imeisv", "imei", "supi", "gpsi", "pei")
_SINGLE = (*_GLUED, "suci", "ueid", "ue-id", "subscriberidentifier", "phone")
_WHOM = tuple(map("".join, product(_SINGLE, ("", "s"), ("", "list", "-list", "_list"))))
_PLACES = (
    "subscription-data", "ue-contexts", "ues", "exposure-data", "mt-sm-infos", "mo-sm-infos", "smcontextstatus",
    "callback",
)  # fmt: skip
_BELOW = tuple(map("".join, product("/?&\"' ", _PLACES)))
_SERVICE = re.compile(
    r"(?:nudm|nhss|n5g-ddnmf|nslpkmf|npkmf|namf-loc|nausf|nmnpf|nsoraf|nspaf)[a-z0-9-]{0,40}/v[0-9]{1,3}\Z"
)
_LONGEST_PLACE = 64
_LONGEST_LIST = 2_048  # characters before one of a list
_HASHES = frozenset({32, 40, 64})  # letters of a trace id, of SHA-1, of SHA-256
_HEX = frozenset("0123456789abcdefABCDEF")

Found = tuple[int, int, str]  # from, to, whom


def without_numbers(text: str, key_id: str, of: Callable[[str], str]) -> str:
    """Return `text` with `of` each identifier that digits are; what is part of a pseudonym under `key_id` stays."""
    pieces: list[str] = []
    kept = 0
    for run in _RUN.finditer(text):
        begin, end = run.span()
        if begin >= kept and not _is_of_pseudonym(text, begin, end, key_id):
            found = _named(text, begin, end) or _temporary(text, begin) or _long(text, begin, end)
            if found is not None:
                pieces += (text[kept : found[0]], of(found[2]))
                kept = found[1]
    return "".join((*pieces, text[kept:])) if pieces else text


def _is_of_pseudonym(text: str, begin: int, end: int, key_id: str) -> bool:
    """Tell whether digits are the PLMN or the key id of a pseudonym."""
    if end - begin < 7 and text.startswith(f"-{key_id}-", end):
        return True
    return text[begin:end] == key_id and _CODE.match(text, end) is not None


def _named(text: str, begin: int, end: int) -> Found | None:
    """Return the identifier that a word, a parameter or a path before the digits says they are."""
    if _is_letter(text[end : end + 1]) or text[end : end + 1] == "-":
        return None
    before = text[max(0, begin - _LONGEST_PLACE) : begin].lower()
    core = before.rstrip(_MARKS)
    if core == before:
        word = _word(core, _GLUED)
        if word is not None:
            return begin - len(word), end, by_place(text[begin:end], word)
    place = _listed(text, begin) if core.endswith(",") else _place(core, before[len(core) :])
    if place is None:
        return None
    return begin, end, by_place(text[begin:end], TRANSLATION if text.startswith(TRANSLATION, end) else place)


def _place(core: str, marks: str) -> str | None:
    if not marks:
        return None
    if (word := _word(core, _WHOM)) is not None:
        return word
    if marks[0] in "/=:" and (core in _PLACES or core.endswith(_BELOW)):
        return core.rpartition("/")[2]
    if marks[0] == "/" and "/v" in core[-5:] and (service := _SERVICE.search(core)):
        return service[0]
    return None


def _listed(text: str, begin: int) -> str | None:
    """Return whose the list is that the digits stand in, behind others."""
    before = text[max(0, begin - _LONGEST_LIST) : begin]
    opened = max(map(before.rfind, "=:[&?;/#"))
    if opened < 0 or before[opened] not in "=:[":
        return None
    return _word(before[: opened + 1][-_LONGEST_PLACE:].rstrip(_MARKS).lower(), _WHOM)


def _word(text: str, words: tuple[str, ...]) -> str | None:
    """Return which of `words` a text ends with; `ueid` is none of `queueid`."""
    if not text.endswith(words):
        return None
    word = max((one for one in words if text.endswith(one)), key=len)
    return None if word.startswith("ue") and text[-len(word) - 1 : -len(word)].isalpha() else word


def _temporary(text: str, begin: int) -> Found | None:
    """Return the 5G-GUTI that begins with these digits."""
    before = text[begin - 1 : begin]
    found = None if _is_letter(before) or before == "-" else _GUTI.match(text, begin)
    return None if found is None else (begin, found.end(), f"5g-guti-{found[0]}")


def _long(text: str, begin: int, end: int) -> Found | None:
    size, before = end - begin, text[begin - 1 : begin]
    if size < LONG_ENOUGH or before == "%" or (size < LONG and _is_of_other(text, begin, end)):
        return None
    if size >= LONG and _is_of_hash(text, begin, end):
        return None
    return begin - (before == "+"), end, by_place(text[begin - (before == "+") : end], "")


def _is_of_other(text: str, begin: int, end: int) -> bool:
    """Tell whether digits are part of a word, of a decimal fraction or of a UUID."""
    before, behind = text[max(0, begin - 2) : begin], text[end : end + 2]
    if _is_letter(before[-1:]) or _is_letter(behind[:1]) or behind[:1] == "%":
        return True
    if (before[-1:] == "." and before[:-1].isdigit()) or (behind[:1] == "." and behind[1:].isdigit()):
        return True
    return end - begin == UUID_TAIL and _INSIDE_UUID.fullmatch(text, max(0, begin - 6), begin) is not None


def _is_of_hash(text: str, begin: int, end: int) -> bool:
    """Tell whether digits are part of a trace id or digest: hex of such a length, letters among it."""
    if not (_is_letter(text[begin - 1 : begin]) or _is_letter(text[end : end + 1])):
        return False
    most = max(_HASHES)
    first, last = begin, end
    while first > 0 and text[first - 1] in _HEX and last - first <= most:
        first -= 1
    while last < len(text) and text[last] in _HEX and last - first <= most:
        last += 1
    beside = text[max(0, first - 1) : first] + text[last : last + 1]
    return last - first in _HASHES and not any(map(_is_letter, beside))


def _is_letter(text: str) -> bool:
    """Tell whether `text`, one character or none, is a letter or digit."""
    return text.isascii() and text.isalnum()
