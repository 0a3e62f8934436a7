# cython: language_level=3, boundscheck=True
"""The JSON part of a multipart/related body (RFC 2387; TS 29.500 6.1.2.4), as far as the body was kept."""

import re
from functools import lru_cache

import cython

Text = tuple[bytes, bool]  # JSON, and whether its end was seen

LONGEST_BOUNDARY = 70  # RFC 2046 5.1.1
MOST_PARTS = 16
LONGEST_CACHED = 256  # characters of a content type remembered
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
_FIRST_LINE = re.compile(rb"(?:\r?\n)?--([^\r\n]{1,70}?)[ \t]*\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@cython.ccall
def json_part(content_type: str, body: bytes) -> Text | None:
    """Return the first JSON part and whether its end was seen, None if there is none.

    A missing or wrong boundary parameter is taken from the first line, as the content-type may have been lost.
    """
    boundary: bytes | None = (
        _cached_boundary(content_type) if len(content_type) <= LONGEST_CACHED else _boundary(content_type)
    )
    if boundary is None or boundary not in body[: len(boundary) + 256]:
        first = _FIRST_LINE.match(body)
        if first is None:
            return None
        boundary = b"--" + first[1]
    begin: cython.Py_ssize_t
    at: cython.Py_ssize_t = body.find(boundary)
    for _ in range(MOST_PARTS):
        if at < 0 or body.startswith(b"--", at + len(boundary)):
            return None
        begin = at + len(boundary)
        at = body.find(boundary, begin)
        found: bytes | None = _json_in(body[begin : at if at >= 0 else len(body)])
        if found:
            return found, at >= 0
    return None


def _boundary(content_type: str) -> bytes | None:
    found = _BOUNDARY.search(content_type)
    text = (found[1] or found[2]) if found else ""
    return b"--" + text.encode("latin-1", "replace") if 0 < len(text) <= LONGEST_BOUNDARY else None


_cached_boundary = lru_cache(256)(_boundary)  # those of senders that make up a boundary each time go


@cython.cfunc
def _json_in(part: bytes) -> bytes | None:
    """Return the content of a part that says it is JSON, or says nothing and looks like it."""
    begin: cython.Py_ssize_t
    end: cython.Py_ssize_t = part.find(b"\r\n\r\n")
    begin = end + 4
    if end < 0 or part.find(b"\n\n", 0, end) >= 0 or part.find(b"\n\r\n", 0, end + 2) >= 0:
        found = _HEAD_END.search(part)  # lines that end otherwise
        if found is None:
            return None
        end, begin = found.span()
    head: bytes = part[:end].lower()
    content: bytes = part[begin:]
    is_json = b"json" in head if b"content-type" in head else content[:1] in (b"{", b"[")
    return content.rstrip(b"\r\n") if is_json else None
