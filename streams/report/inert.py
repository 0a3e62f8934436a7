"""How captured text is made harmless in terminals, CSV cells and Markdown; in HTML the template escapes it."""

import re

# What a spreadsheet takes for a formula, also behind the blanks it skips.
FORMULA = re.compile(r"^[\s]*[=+\-@]|^[\t\r\n]")
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")
# Characters that reorder or hide others (Unicode TR 36: bidirectional controls, zero width).
DECEPTIVE = frozenset(map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)))


def visible(text: str) -> str:
    """Return `text` on one line with control and deceptive characters written as escapes."""
    return "".join(one if one.isprintable() and one not in DECEPTIVE else _escape(one) for one in text)


def _escape(one: str) -> str:
    number = ord(one)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def cell(value: object) -> object:
    """Return `value` for a CSV or spreadsheet cell: text that would be a formula starts with an apostrophe."""
    if not isinstance(value, str):
        return value
    return "'" + value if FORMULA.match(value) else value


def markdown(text: str) -> str:
    """Return `text` for a Markdown table cell: nothing in it is markup."""
    return MARKDOWN.sub(r"\\\1", visible(text))
