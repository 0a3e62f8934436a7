# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""How much memory texts take that are kept: by their characters and the width of the widest."""

from collections.abc import Iterable

OBJECT = 64  # what a text or a small object takes beside characters
WIDE_OBJECT = 96  # a text that is not ASCII
WIDE = 8  # octets of each character of such a text: four, and four more in UTF-8 once an event has told it


def texts_weight(texts: Iterable[object]) -> int:
    """Return about how many octets those of `texts` take that are texts, none of them less than it does."""
    return sum([_weight(text) for text in texts if isinstance(text, str)])


def characters_weight(text: str | None) -> int:
    """Return how many octets the characters of a text take, 0 if there is none."""
    if text is None:
        return 0
    return len(text) if text.isascii() else WIDE * len(text)


def _weight(text: str) -> int:
    return OBJECT + len(text) if text.isascii() else WIDE_OBJECT + WIDE * len(text)
