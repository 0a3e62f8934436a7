"""How bodies are unpacked and results packed: gzip, deflate, zstd, lz4; a body may be many frames in a row."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

STEP = 1 << 20  # bytes unpacked at once: bounds what a small hostile body can blow up to in memory

SLICE = 1 << 12  # bytes of zstd unpacked at once, which takes no such bound


class UnknownEncodingError(ValueError):
    """A Content-Encoding that we do not speak."""


class Packer(Protocol):
    """Packs one result."""

    def pack(self, block: bytes) -> bytes:
        """Return what can be sent of all so far."""

    def end(self) -> bytes:
        """Return the rest."""


class Unpacker:
    """Unpacks one body, frame after frame."""

    def __init__(self, encoding: str) -> None:
        """Refuse what we do not speak: UnknownEncodingError."""
        if encoding not in _UNPACK:
            raise UnknownEncodingError(encoding)
        self._make = _UNPACK[encoding]
        self._frame: Any = None

    def unpack(self, block: bytes) -> Iterator[bytes]:
        """Yield what `block` adds. Raises ValueError for bytes that are not of this encoding."""
        try:
            while block:
                self._frame = self._frame or self._make()
                out, block = self._frame(block)
                if self._frame.ended:
                    self._frame = None
                if out:
                    yield out
        except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError) as error:
            raise ValueError(str(error)) from error

    @property
    def whole(self) -> bool:
        """Whether the body may end here: not within a frame."""
        return self._frame is None


class _Zlib:
    def __init__(self, bits: int) -> None:
        self._zlib = zlib.decompressobj(bits)
        self.ended = False

    def __call__(self, block: bytes) -> tuple[bytes, bytes]:
        out = self._zlib.decompress(block, STEP)
        self.ended = self._zlib.eof
        return out, self._zlib.unused_data if self.ended else self._zlib.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        self._zstd = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self.ended = False

    def __call__(self, block: bytes) -> tuple[bytes, bytes]:
        out = self._zstd.decompress(block[:SLICE])
        self.ended = self._zstd.eof
        return out, (self._zstd.unused_data if self.ended else b"") + block[SLICE:]


class _Lz4:
    def __init__(self) -> None:
        self._lz4 = lz4.frame.LZ4FrameDecompressor()
        self.ended = False

    def __call__(self, block: bytes) -> tuple[bytes, bytes]:
        out = self._lz4.decompress(block, STEP)
        while not self._lz4.needs_input and not self._lz4.eof:
            out += self._lz4.decompress(b"", STEP)
        self.ended = self._lz4.eof
        return out, self._lz4.unused_data or b"" if self.ended else b""


_UNPACK: dict[str, Callable[[], Any]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "zstd": _Zstd,
    "lz4": _Lz4,
}


class _PackZlib:
    def __init__(self, bits: int) -> None:
        self._zlib = zlib.compressobj(3, zlib.DEFLATED, bits)

    def pack(self, block: bytes) -> bytes:
        return self._zlib.compress(block)

    def end(self) -> bytes:
        return self._zlib.flush()


class _PackZstd:
    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(1).compressobj()

    def pack(self, block: bytes) -> bytes:
        return self._zstd.compress(block)

    def end(self) -> bytes:
        return self._zstd.flush()


class _PackLz4:
    def __init__(self) -> None:
        self._lz4 = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def pack(self, block: bytes) -> bytes:
        begin = b"" if self._begun else self._lz4.begin()
        self._begun = True
        return begin + bytes(self._lz4.compress(block))

    def end(self) -> bytes:
        return self.pack(b"") + bytes(self._lz4.flush())


class _Plain:
    def pack(self, block: bytes) -> bytes:
        return block

    def end(self) -> bytes:
        return b""


_PACK: dict[str, Callable[[], Packer]] = {
    "lz4": _PackLz4,
    "zstd": _PackZstd,
    "gzip": lambda: _PackZlib(31),
    "deflate": lambda: _PackZlib(15),
}


def chosen(accepted: str) -> tuple[str, Packer]:
    """Return the name (empty: none) and the packer for an Accept-Encoding."""
    offered = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
    for name, make in _PACK.items():
        if name in offered:
            return name, make()
    return "", _Plain()
