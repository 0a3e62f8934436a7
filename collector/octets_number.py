"""A number by which octets met before are found again, here as it runs uncompiled.

Compiled modules take octets_number.pxd instead, which gives other numbers for a sixth of what Python's own costs. Who
wishes can make octets of equal number: it may only tell where to look.
"""

BELOW = 2**60


def octets_number(octets: bytes, size: int) -> int:
    """Return a number below 2**60 that all octets have which are equal in their first `size`."""
    return hash(octets[:size]) % BELOW
