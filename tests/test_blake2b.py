"""Our BLAKE2b gives what hashlib gives, for any pieces, lengths and keys."""

from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from collector.blake2b import Hasher


def truth(octets: bytes, key: bytes = b"") -> str:
    return blake2b(octets, digest_size=16, key=key).hexdigest()


def test_every_length_around_the_blocks() -> None:
    for key in (b"", b"k", bytes(range(32)), bytes(range(64))):
        hasher = Hasher(key)
        for size in [*range(520), 4_095, 4_096, 4_097, 70_000]:
            octets = bytes(at * 7 & 255 for at in range(size))
            hasher.octets(octets)
            assert hasher.hex().decode() == truth(octets, key), (key, size)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.text(st.characters(codec=None), max_size=60),
            st.integers(0, 2**64 - 1),
            st.none(),
        )
    ),
    st.binary(max_size=64),
)
def test_any_parts_give_the_hash_of_the_whole(parts: list[bytes | str | int | None], key: bytes) -> None:
    hasher = Hasher(key)
    for _ in range(2):
        whole: list[bytes] = []
        for part in parts:
            if isinstance(part, bytes):
                hasher.octets(part)
                whole.append(part)
            elif isinstance(part, str):
                hasher.text(part)
                whole.append(part.encode(errors="surrogatepass"))
            elif part is None:
                hasher.text(None)
                whole.append(b"")
            else:
                hasher.number(part)
                whole.append(str(part).encode())
        assert hasher.hex().decode() == truth(b"\0".join(whole), key)
