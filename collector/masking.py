"""How a path outside the catalogue becomes a name of few values: identifiers, numbers and whatever may be one leave."""

import re
from collections.abc import Sequence

MOST_SEGMENTS = 12
WORD = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}|v\d{1,2}")
# Literals of the APIs that hold a digit (TS 29.518, 29.503, 29.509 ...), which no identifier looks like.
DIGITS = re.compile(r"(?=.{2,40}$)(?:[a-z]+-)*(?:[a-z]{0,6}[0-9]{1,2}[a-z]{0,4}(?:-|$)){1,2}(?:[a-z]+(?:-|$))*")
HEX = re.compile(r"[0-9A-Fa-f]{6,}")
FORMS = (
    (re.compile(r"(?:imsi|nai|gci|gli|impi)-.*", re.IGNORECASE), "{supi}"),
    (re.compile(r"suci-.*", re.IGNORECASE), "{suci}"),
    (re.compile(r"(?:msisdn|extid|impu)-.*", re.IGNORECASE), "{gpsi}"),
    (re.compile(r"(?:imei|imeisv|mac|eui)-[0-9].*", re.IGNORECASE), "{pei}"),
    (re.compile(r"[0-9a-f]{2}(?:[-:][0-9a-f]{2}){5,7}", re.IGNORECASE), "{pei}"),  # a MAC may have letters alone
    (re.compile(r"5g-guti-.*", re.IGNORECASE), "{guti}"),
    (re.compile(r"(?:urn:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), "{uuid}"),
    (re.compile(r"[0-9]+"), "{number}"),
)


def masked(segments: Sequence[str]) -> str:
    """Return the path of `segments` with everything that is no word of an API replaced."""
    shown = [masked_segment(segment) for segment in segments[:MOST_SEGMENTS]]
    return "/" + "/".join(shown + ["{...}"] * (len(segments) > MOST_SEGMENTS))


def masked_segment(segment: str) -> str:
    """Return the segment if it is a word, else what kind of identifier stands there."""
    for form, name in FORMS:
        if form.fullmatch(segment):
            return name
    if HEX.fullmatch(segment) or not (WORD.fullmatch(segment) or DIGITS.fullmatch(segment)):
        return "{id}"
    return segment
