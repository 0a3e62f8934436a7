"""JSON that means the same and is inert on a terminal: control and deceptive characters as their escapes."""

import re

# DEL and C1, which terminals obey, and what reorders or hides text (Unicode TR 36); JSON itself escapes C0.
_LOUD = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def silent(text: bytes) -> bytes:
    """Return JSON, one text or many, in UTF-8: such characters stand in its strings alone, where escapes mean them."""
    if text.isascii() and b"\x7f" not in text:
        return text
    return _LOUD.sub(_escape, text.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
