"""Identifiers that somebody wrapped in base64 or hex where none belongs: found by what a run of letters decodes to."""

import re
from base64 import b64decode

REMOVED = "removed"
SHORTEST_RUN = 14  # letters: ten digits in base64
_RUN = re.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z0-9]{{{SHORTEST_RUN},}}={{0,2}}"
)  # of identifiers in ASCII no other letter of base64 comes
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_INNER = re.compile(
    rb"(?:imsi|suci|msisdn|imei|imeisv|5g-guti|nai|gci|gli|extid|impi|impu)-|(?:sips?|tel):|[0-9]{10,}"
    rb"|[a-z0-9._-]{2,64}@[a-z0-9-]{1,63}\.",
    re.IGNORECASE,
)


def without_encoded(text: str) -> str:
    """Return `text` with each run that holds an identifier in base64 or hex replaced by "removed"."""
    return _RUN.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    return REMOVED if _holds_identifier(found[0].rstrip("=")) else found[0]


def _holds_identifier(run: str) -> bool:
    if _HEX.fullmatch(run) and _INNER.search(bytes.fromhex(run[: len(run) // 2 * 2])):
        return True
    if run.islower():  # base64 of ASCII has capitals; a pseudonym has none
        return False
    pieces = (run[at : at + (len(run) - at) // 4 * 4] for at in range(4))  # what stands before it may shift it
    return any(_INNER.search(b64decode(piece)) for piece in pieces)
