"""libnghttp2's header compression, called through its C interface."""

import ctypes
import ctypes.util

LIBRARY = ctypes.util.find_library("nghttp2")
NEVER_INDEXED = 1  # NGHTTP2_NV_FLAG_NO_INDEX


class _Pair(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("value", ctypes.c_char_p),
        ("name_size", ctypes.c_size_t),
        ("value_size", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    )


class Encoder:
    """One direction of a connection."""

    def __init__(self, table_bytes: int = 4096) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._library.nghttp2_hd_deflate_bound.restype = ctypes.c_size_t
        self._library.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
        self._deflater = ctypes.c_void_p()
        assert self._library.nghttp2_hd_deflate_new(ctypes.byref(self._deflater), ctypes.c_size_t(table_bytes)) == 0

    def __del__(self) -> None:
        self._library.nghttp2_hd_deflate_del(self._deflater)

    def resize(self, table_bytes: int) -> None:
        """Change the table's size; the next block begins with the update."""
        self._library.nghttp2_hd_deflate_change_table_size(self._deflater, ctypes.c_size_t(table_bytes))

    def encode(self, fields: list[tuple[bytes, bytes]], never_indexed: bool = False) -> bytes:
        """Return a header block."""
        flags = NEVER_INDEXED if never_indexed else 0
        pairs = (_Pair * len(fields))(*(_Pair(name, value, len(name), len(value), flags) for name, value in fields))
        count = ctypes.c_size_t(len(fields))
        room = self._library.nghttp2_hd_deflate_bound(self._deflater, pairs, count)
        out = ctypes.create_string_buffer(room)
        size = self._library.nghttp2_hd_deflate_hd(self._deflater, out, ctypes.c_size_t(room), pairs, count)
        assert size >= 0
        return out.raw[:size]
