"""JSON that means the same and is inert on a terminal: control and deceptive characters as their escapes."""

import re

# DEL and C1, which terminals obey, and what reorders or hides text (Unicode TR 36), tags too; JSON itself escapes C0.
_LOUD = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def silent(text: bytes) -> bytes:
    """Return JSON, one text or many, in UTF-8: such characters stand in its strings alone, where escapes mean them."""
    if text.isascii() and b"\x7f" not in text:
        return text
    return _LOUD.sub(_escape, text.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
