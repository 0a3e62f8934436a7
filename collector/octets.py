"""A sheet on which one record is written in Avro's binary encoding (Avro 1.11), here as it runs uncompiled.

Compiled modules take octets.pxd instead, which is the same in C.
"""

_sheet = bytearray()


def begin() -> None:
    """Begin a record; what is on the sheet goes."""
    _sheet.clear()


def written() -> bytes:
    """Return what was put since `begin`."""
    return bytes(_sheet)


def mark() -> int:
    """Return where the sheet stands."""
    return len(_sheet)


def since(where: int) -> bytes:
    """Return what was put since the sheet stood `where`."""
    return bytes(_sheet[where:])


def put_long(value: int) -> None:
    """Put an int, long or enum; a boolean that is true as -1, whose octet is the same."""
    zigzag = value << 1 ^ value >> 63
    while zigzag > 127:
        _sheet.append(zigzag & 127 | 128)
        zigzag >>= 7
    _sheet.append(zigzag)


def put_text(text: str) -> None:
    """Put a string; raises UnicodeEncodeError for a lone surrogate."""
    _put_bytes(text.encode())


def put_again(octets: bytes) -> None:
    """Put what was written before, as it is."""
    _sheet.extend(octets)


def put_key(keys: bytes, which: int) -> None:
    """Put one of several keys of 32 octets of ASCII as a string."""
    _put_bytes(keys[32 * which : 32 * which + 32])


def put_optional_key(keys: bytes, which: int) -> None:
    """Put the same in a union with null, null if there are not so many."""
    _sheet.append(2 if len(keys) > 32 * which else 0)
    if len(keys) > 32 * which:
        put_key(keys, which)


def put_optional_text(text: str | None) -> None:
    """Put a union of null and string."""
    _sheet.append(0 if text is None else 2)
    if text is not None:
        put_text(text)


def put_optional_long(number: int | None) -> None:
    """Put a union of null and an int or long."""
    _sheet.append(0 if number is None else 2)
    if number is not None:
        put_long(number)


def put_optional_bytes(octets: bytes | None) -> None:
    """Put a union of null and bytes."""
    _sheet.append(0 if octets is None else 2)
    if octets is not None:
        _put_bytes(octets)


def _put_bytes(octets: bytes) -> None:
    put_long(len(octets))
    _sheet.extend(octets)
