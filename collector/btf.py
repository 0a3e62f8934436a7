"""Where the members of the running kernel's structs lie, read from its BTF (kernel, Documentation/bpf/btf.rst)."""

import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from struct import Struct

from schemas.refusal import Refusal

VMLINUX = Path("/sys/kernel/btf/vmlinux")
CACHE = Path("/var/cache/sbiscope")

MAGIC = 0xEB9F
STRUCT, UNION = 4, 5
TRANSPARENT = frozenset({8, 9, 10, 11, 18})  # typedef, volatile, const, restrict, type tag: stand before what is meant
# Bytes behind a type's head, by kind: fixed, and for each of its elements (`vlen`).
# fmt: off
EXTRA = {
    1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0),
    19: (0, 12),
}
# fmt: on
LARGEST_KIND = 19

HEADER = Struct("<HBBIIIII")
HEAD = Struct("<III")  # name, info, size or type; a member likewise: name, type, offset

# What the probes ask for: a name of bpf/*.c → struct, member.
MEMBERS = {
    "SK_FAMILY": ("sock", "__sk_common.skc_family"),
    "SK_STATE": ("sock", "__sk_common.skc_state"),
    "SK_REMOTE_PORT": ("sock", "__sk_common.skc_dport"),
    "SK_LOCAL_PORT": ("sock", "__sk_common.skc_num"),
    "SK_REMOTE_V4": ("sock", "__sk_common.skc_daddr"),
    "SK_LOCAL_V4": ("sock", "__sk_common.skc_rcv_saddr"),
    "SK_REMOTE_V6": ("sock", "__sk_common.skc_v6_daddr"),
    "SK_LOCAL_V6": ("sock", "__sk_common.skc_v6_rcv_saddr"),
    "SK_NET": ("sock", "__sk_common.skc_net"),
    "SK_PROTOCOL": ("sock", "sk_protocol"),
    "SK_SOCKET": ("sock", "sk_socket"),
    "TCP_WRITE_SEQ": ("tcp_sock", "write_seq"),
    "TCP_COPIED_SEQ": ("tcp_sock", "copied_seq"),
    "TCP_RCV_NXT": ("tcp_sock", "rcv_nxt"),
    "TCP_SND_UNA": ("tcp_sock", "snd_una"),
    "TCP_BYTES_ACKED": ("tcp_sock", "bytes_acked"),
    "TCP_BYTES_RECEIVED": ("tcp_sock", "bytes_received"),
    "SK_SHUTDOWN": ("sock", "sk_shutdown"),
    "NET_INUM": ("net", "ns.inum"),
    "SOCKET_SK": ("socket", "sk"),
    "SOCKET_FILE": ("socket", "file"),
    "TASK_LEADER": ("task_struct", "group_leader"),
    "TASK_COMM": ("task_struct", "comm"),
    "TASK_FILES": ("task_struct", "files"),
    "FILES_TABLE": ("files_struct", "fdt"),
    "TABLE_SIZE": ("fdtable", "max_fds"),
    "TABLE_FILES": ("fdtable", "fd"),
    "FILE_INODE": ("file", "f_inode"),
    "FILE_PRIVATE": ("file", "private_data"),
    "INODE_MODE": ("inode", "i_mode"),
    "TASK_PID": ("task_struct", "thread_pid"),
    "PID_LEVEL": ("pid", "level"),
    "PID_NUMBERS": ("pid", "numbers"),
    "UPID_SPACE": ("upid", "ns"),
    "SPACE_INUM": ("pid_namespace", "ns.inum"),
}


class BtfError(ValueError):
    """The octets are no BTF, or of a kind that this reader does not know."""


class Btf:
    """The types of a BTF blob; only structs that are asked for are looked into."""

    def __init__(self, blob: bytes, wanted: frozenset[str]) -> None:
        """Find the structs named in `wanted`. Raises BtfError."""
        self._blob = blob
        try:
            magic, _, _, header, types, types_size, strings, strings_size = HEADER.unpack_from(blob)
        except Exception as error:
            raise BtfError("too short for BTF") from error
        if magic != MAGIC:
            raise BtfError(f"magic {magic:#x} instead of {MAGIC:#x}")
        self._strings = blob[header + strings : header + strings + strings_size]
        self._types = [0]  # where each type stands
        self._structs = self._index(header + types, types_size, wanted)

    def offset(self, struct: str, member: str) -> int:
        """Return the offset in bytes of a member, a path of names joined by dots. Raises KeyError if there is none."""
        kind, offset = self._structs[struct], 0
        for name in member.split("."):
            found = self._find(self._bare(kind), name)
            if found is None:
                raise KeyError(f"{struct}.{member}")
            offset, kind = offset + found[0], found[1]
        return offset

    def _index(self, at: int, size: int, wanted: frozenset[str]) -> dict[str, int]:
        names = {self._name_offset(name): name for name in wanted}
        structs: dict[str, int] = {}
        blob, types, head, end = self._blob, self._types, HEAD.unpack_from, at + size
        while at < end:
            name, info, _ = head(blob, at)
            kind = info >> 24 & 31
            if kind > LARGEST_KIND:
                raise BtfError(f"type of kind {kind}")
            if kind == STRUCT and name in names:
                structs.setdefault(names[name], len(types))
            types.append(at)
            fixed, each = EXTRA.get(kind, (0, 0))
            at += 12 + fixed + each * (info & 0xFFFF)
        return structs

    def _name_offset(self, name: str) -> int:
        return self._strings.find(b"\0" + name.encode() + b"\0") + 1

    def _bare(self, kind: int) -> int:
        """Pass over typedefs and qualifiers."""
        while True:
            _, info, below = HEAD.unpack_from(self._blob, self._types[kind])
            if info >> 24 & 31 not in TRANSPARENT:
                return kind
            kind = below

    def _find(self, kind: int, name: str) -> tuple[int, int] | None:
        """Return offset and type of a member, looked for in unnamed structs and unions too."""
        at = self._types[kind]
        _, info, _ = HEAD.unpack_from(self._blob, at)
        if info >> 24 & 31 not in {STRUCT, UNION}:
            return None
        with_bitfields = info >> 31
        for number in range(info & 0xFFFF):
            label, below, bits = HEAD.unpack_from(self._blob, at + 12 + 12 * number)
            offset = (bits & 0xFFFFFF if with_bitfields else bits) // 8
            if label:
                if self._string(label) == name:
                    return offset, below
            else:
                found = self._find(self._bare(below), name)
                if found:
                    return offset + found[0], found[1]
        return None

    def _string(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()


def member_offsets(blob: bytes, members: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """Return the offset of each of `members`. Raises BtfError or KeyError (a kernel without that member)."""
    btf = Btf(blob, frozenset(struct for struct, _ in members.values()))
    return {name: btf.offset(struct, member) for name, (struct, member) in members.items()}


def kernel_offsets(vmlinux: Path = VMLINUX, cache: Path = CACHE) -> dict[str, int]:
    """Return the offsets that the probes need on this kernel, from `cache` if it was asked before (0.3 s otherwise).

    Raises Refusal: no BTF, or one that lacks a member.
    """
    try:
        blob = vmlinux.read_bytes()
    except OSError as error:
        advice = "run a kernel built with CONFIG_DEBUG_INFO_BTF (every distribution's since 2021)"
        raise Refusal(
            "the kernel tells nothing of its structs (BTF)", f"{vmlinux}: {error.strerror}", advice
        ) from error
    asked = json.dumps(MEMBERS, sort_keys=True).encode()
    kept = cache / f"offsets-{blake2b(blob, key=blake2b(asked).digest(), digest_size=16).hexdigest()}.json"
    found = _cached(kept)
    if found is None:
        try:
            found = member_offsets(blob, MEMBERS)
        except (BtfError, KeyError) as error:
            raise Refusal("the kernel's BTF cannot be used", str(error), "report this kernel's version") from error
        _keep(kept, found)
    return found


def _cached(kept: Path) -> dict[str, int] | None:
    try:
        if kept.stat().st_uid != os.geteuid():
            return None
        found = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        return None
    fits = isinstance(found, dict) and found.keys() == MEMBERS.keys()
    return found if fits and all(isinstance(offset, int) for offset in found.values()) else None


def _keep(kept: Path, offsets: dict[str, int]) -> None:
    """Keep them for the next start, where that is possible."""
    try:
        kept.parent.mkdir(mode=0o755, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(offsets))
        draft.replace(kept)
    except OSError:
        return
