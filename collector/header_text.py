# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How the octets of a header field become text, and which texts are worth remembering."""

from typing import Any

CACHED = 4_096  # values remembered by kind
LONGEST_CACHED = 256
LONGEST_NAME = 80  # octets of a field's name remembered; 3GPP's are shorter
LONGEST_TEXT = 1_024  # characters of a value kept
LONGEST_URI = 8_192


def plain_text(value: bytes) -> str:
    """Return octets as text; those that are no UTF-8 stay visible, escaped."""
    return value.decode("utf-8", "backslashreplace")


def shortened(text: str, most: int) -> str:
    """Return `text`, of an absurd length only its beginning, which the ellipsis shows."""
    return text if len(text) <= most else text[: most - 1] + "…"


def joined(first: str, second: str) -> str:
    """Return the values of a field that is there twice as one list (RFC 9110 5.3)."""
    return shortened(f"{first}, {second}", LONGEST_TEXT)


def is_cached(value: bytes) -> bool:
    """Tell whether a value is short, as text too: an octet that is not ASCII may become sixteen."""
    return len(value) <= LONGEST_CACHED and value.isascii()


def remember(cache: dict[bytes, Any], value: bytes, meaning: object) -> None:
    """Keep what a short value means; a full cache begins anew."""
    if is_cached(value):
        if len(cache) >= CACHED:
            cache.clear()
        cache[value] = meaning
