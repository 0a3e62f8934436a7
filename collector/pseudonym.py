"""What stands for a subscriber outside the node: a keyed, irreversible name, equal wherever the key is (DESIGN 7)."""

import re
from base64 import b32encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from hmac import digest

from collector.identifier_grammar import canonical, kind_of, plmn_candidates
from schemas.refusal import Refusal

KEY_BYTES = 32  # at least
CACHED = 32_768  # identifiers remembered; about 250 octets each
LONGEST_CACHED = 256
_KEY_ID = re.compile(r"[a-z0-9]{1,16}")
_PLMN = re.compile(r"[0-9]{5,6}")
# What `Pseudonyms.of` returns: kind, PLMN or part of it where the identifier has one, key id, 128 bits in base32.
_FORM = re.compile(r"[a-z0-9]+-([0-9]{3,6}-)?[a-z0-9]{1,16}-[a-z2-7]{26}")


class Pseudonyms:
    """Maps identifiers to pseudonyms: `imsi-<mcc>[<mnc>]-<key id>-<base32>`, `msisdn-<key id>-<base32>` and so on.

    The 26 characters are HMAC-SHA-256 over the canonical identifier, cut to 128 bits. The MNC is said where the
    identifier begins with a PLMN id of `plmns`, else omitted. 0.1 µs for a subscriber met lately, else 5 µs.
    """

    def __init__(self, key: bytes | None, key_id: str = "k1", plmns: Iterable[str] = (), cached: int = CACHED) -> None:
        """`key` None leaves identifiers plain (laboratory). Raises Refusal: a short key, a key id that is no name."""
        if key is not None and len(key) < KEY_BYTES:
            raise Refusal("the pseudonym key is too short", f"{len(key)} octets", f"give at least {KEY_BYTES}")
        if not _KEY_ID.fullmatch(key_id):
            raise Refusal("pseudonym_key_id is no name", key_id, "write 1 to 16 lower-case letters and digits")
        self.plain = key is None
        self.key_id = key_id
        self._key = key or b""
        self._plmns = frozenset(plmns)
        self._cached: Callable[[str], str] = lru_cache(cached)(self._of)

    def of(self, identifier: str) -> str:
        """Return the pseudonym of an identifier; its canonical form if identifiers stay plain."""
        return self._cached(identifier) if len(identifier) <= LONGEST_CACHED else self._of(identifier)

    def derived(self, purpose: bytes) -> bytes:
        """Return a key for another `purpose` that follows from this one and does not tell it; b"" if there is none."""
        return b"" if self.plain else digest(self._key, b"\0" + purpose, "sha256")

    def _of(self, identifier: str) -> str:
        whole = canonical(identifier)
        if self.plain:
            return whole
        code = b32encode(digest(self._key, whole.encode(errors="replace"), "sha256")[:16])[:26].decode().lower()
        plmn = self._plmn(plmn_candidates(whole))
        return "-".join(filter(None, (kind_of(whole) or "id", plmn, self.key_id, code)))

    def _plmn(self, candidates: tuple[str, ...]) -> str:
        known = [candidate for candidate in candidates if candidate in self._plmns]
        return known[0] if known else candidates[0][:3] if candidates else ""


def is_pseudonym(text: str) -> bool:
    """Tell whether `text` has the form of a pseudonym."""
    return _FORM.fullmatch(text) is not None


def plmns_of(text: str) -> frozenset[str]:
    """Return the PLMN ids of a configured list such as `99970, 208-93`. Raises Refusal for what is none."""
    plmns = [word.replace("-", "") for word in re.split(r"[\s,;]+", text) if word]
    for plmn in plmns:
        if not _PLMN.fullmatch(plmn):
            raise Refusal("collector.plmns holds no PLMN id", plmn, "write MCC and MNC as 99970 or 999-70")
    return frozenset(plmns)
