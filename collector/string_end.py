"""Where the plain part of a string of JSON is over, here as it runs uncompiled.

Compiled modules take string_end.pxd instead, which is the same in C.
"""

import re

_OVER = re.compile(rb"[^ !#-\[\]-\x7f]")


def string_end(text: bytes, at: int, end: int) -> int:
    """Return where in text[at:end] the first octet is that a string has not for itself alone, `end` if there is none.

    It is a quotation mark, a backslash, a control character (RFC 8259 7), or an octet that is no ASCII.
    """
    found = _OVER.search(text, at, end)
    return end if found is None else found.start()
