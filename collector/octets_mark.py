"""What stands for octets met before, so that they need not be kept, here as it runs uncompiled.

Compiled modules take octets_mark.pxd instead: a universal hash under a secret key (NH of UMAC, RFC 4418, twice, each
under other words of the key, with 64-bit words, and the size). Two different texts of this or that choosing have the
same mark with a probability of 2^-128 at most, as long as who chooses them does not know the key: it is this process's
alone and leaves it in no form.
"""

import os
from hashlib import blake2b

LARGEST = 16_384  # octets that may be marked
KEY = os.urandom(LARGEST + 16)


def octets_mark(octets: bytes, key: bytes) -> bytes:
    """Return 40 octets that stand for `octets`, at most LARGEST of them; `key` is KEY."""
    return blake2b(octets, key=key[:64], digest_size=40).digest()
