"""What a request's text is: a statement, or the head of an INSERT and the data behind it; and what is denied of it.

The engine's grants deny tables, functions and engines that reach outside. What stands here is what they cannot: clauses
that chDB carries out itself as a client, and functions that no grant covers. It is looked for in the text as the
engine's own parser writes it, literals blanked.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<space>\s+|--[^\n]*|\#!?[^\n]*|/\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'", re.DOTALL)
_DENIED = re.compile(
    r"\b(INTO OUTFILE|FROM INFILE|(?:file|python|executable|executable_pool|loadmodel|catboostevaluate)(?=\())",
    re.IGNORECASE,
)
_FORMAT = re.compile(r"(?:^|\s)FORMAT (`?)(\w+)\1(?:\s+SETTINGS [^\n]*)?$")  # Values is a keyword and stands quoted

# Text formats whose blocks begin with names (and types) again, by the number of such lines.
_NAMES = re.compile(r"WithNames(AndTypes)?$")
# Formats whose blocks, each written alone, make one whole when joined.
_JOINABLE = re.compile(
    r"(Native|RowBinary|(TabSeparated|TSV)(Raw)?|CSV|(JSONCompact(Strings)?EachRow)|RawBLOB|LineAsString|TSKV)"
    r"(WithNames(AndTypes)?)?|JSON(Strings)?EachRow|JSONLines|NDJSON|JSONL"
)


@dataclass(frozen=True, slots=True)
class Insert:
    """The head of an INSERT whose data come behind it, in `form`; an empty `form` was not named."""

    head: str
    form: str


def insert(text: bytes) -> tuple[Insert, int] | None:
    """Return the head of an INSERT with data and where these begin; None for any other statement.

    Raises UnicodeDecodeError for a head that is no UTF-8.
    A head that ends before FORMAT or VALUES is one too: then the data come in a body of their own.
    """
    depth, before = 0, b""
    for token in _TOKEN.finditer(text):
        kind, one = token.lastgroup, token.group()
        if kind == "space":
            continue
        word = one.upper() if kind == "word" else b""
        if not before and word != b"INSERT":
            return None
        depth += (one == b"(") - (one == b")")
        named = before in {b"INTO", b"TABLE", b"FUNCTION", b"."}  # a table may be called what it likes
        if depth == 0 and not named:
            if word in {b"SELECT", b"WITH", b"WATCH", b"FROM"}:
                return None
            if word == b"VALUES":
                return Insert(_text(text[: token.start()]), "Values"), token.end()
            if word == b"FORMAT":
                return _formatted(text, token.start(), token.end())
        before = word or one
    return (Insert(_text(text), ""), len(text)) if before else None


def _formatted(text: bytes, head: int, end: int) -> tuple[Insert, int] | None:
    """Return the INSERT whose FORMAT ends at `end`: behind its name stand blanks and one end of line, then data."""
    name = re.compile(rb"\s+(\w+)[ \t\f]*\r?\n?").match(text, end)
    return (Insert(_text(text[:head]), name[1].decode("ascii", "replace")), name.end()) if name else None


def _text(part: bytes) -> str:
    return part.decode().strip()


def denied(canonical: str) -> str | None:
    """Return the word for which the front refuses a statement, None if it may pass."""
    found = _DENIED.search(_LITERAL.sub("''", canonical))
    return found[1] if found else None


def is_select(canonical: str) -> bool:
    """Tell whether its rows can be streamed: the engine streams nothing but SELECT."""
    return re.match(r"\(*\s*(SELECT|WITH)\b", canonical) is not None


def has_totals(canonical: str) -> bool:
    """Tell whether rows of another kind come behind the others."""
    return "WITH TOTALS" in _LITERAL.sub("''", canonical)


def output_format(canonical: str) -> str | None:
    """Return the format that a statement names for its rows."""
    found = _FORMAT.search(_TEXT.sub("''", canonical))
    return found[2] if found else None


def is_joinable(form: str) -> bool:
    """Tell whether blocks written alone in `form` make one result when joined, repeated names cut off."""
    return _JOINABLE.fullmatch(form) is not None


def names_length(form: str, block: bytes) -> int:
    """Return how many bytes at the start of a block are names (and types): to be kept once."""
    found = _NAMES.search(form)
    if found is None or not block:
        return 0
    lines = 2 if found[1] else 1
    if form.startswith("RowBinary"):
        return _binary_names(block, lines)
    end = 0
    for _ in range(lines):
        end = _line_end(block, end, quoted=form.startswith("CSV"))
    return end


def _line_end(block: bytes, start: int, quoted: bool) -> int:
    """Return where the line that begins at `start` ends; in CSV a name may hold line ends between its quotes."""
    at = start
    while True:
        end = block.find(b"\n", at)
        if end < 0:
            return len(block)
        if not quoted or block.count(b'"', start, end) % 2 == 0:
            return end + 1
        at = end + 1


def _binary_names(block: bytes, lines: int) -> int:
    count, at = _varint(block, 0)
    for _ in range(count * lines):
        length, at = _varint(block, at)
        at += length
    return at


def _varint(block: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = block[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
