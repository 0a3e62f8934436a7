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
            assert hasher.hex() == truth(octets, key), (key, size)


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
def test_any_pieces_give_the_hash_of_the_whole(pieces: list[bytes | str | int | None], key: bytes) -> None:
    hasher, whole = Hasher(key), b""
    for _ in range(2):
        whole = b""
        for piece in pieces:
            if isinstance(piece, bytes):
                hasher.octets(piece)
                whole += piece
            elif isinstance(piece, str):
                hasher.text(piece)
                whole += piece.encode(errors="surrogatepass")
            elif piece is None:
                hasher.nul()
                whole += b"\0"
            else:
                hasher.number(piece)
                whole += str(piece).encode()
        assert hasher.hex() == truth(whole, key)
