"""Filters of the kernel side: which connections it copies at all, as configured, checked, and as conditions in C.

A filter that is not set lets everything through; of a filter's words one must fit, and every filter that is set. Flows
are told of all connections, whatever the filters say.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from schemas.config import Collector
from schemas.refusal import Refusal

MOUNTS = Path("/proc/self/mountinfo")
NAME_BYTES = 15  # of a process's name, as the kernel keeps it (proc(5): comm)
WORD_BYTES = 8

Filters = Mapping[str, list[Any]]  # as they go to the loader, in JSON
EVERYTHING: Filters = {}


def filters(collector: Collector) -> Filters:
    """Return the filters that are set. Raises Refusal for words that name nothing."""
    found: dict[str, list[Any]] = {
        "networks": [network(word) for word in words(collector.networks)],
        "namespaces": [namespace(word) for word in words(collector.network_namespaces)],
        "groups": [group(word) for word in words(collector.control_groups)],
        "programs": words(collector.programs),
    }
    return {name: some for name, some in found.items() if some}


def words(configured: str) -> list[str]:
    """Return the words of a list separated by commas."""
    return [word.strip() for word in configured.split(",") if word.strip()]


def network(word: str) -> str:
    """Return a network in CIDR notation (RFC 4632, RFC 4291 2.3). Raises Refusal."""
    from ipaddress import ip_network

    try:
        return str(ip_network(word))
    except ValueError as error:
        advice = 'write for example "10.0.0.0/8, fd00::/8"'
        raise Refusal("collector.networks names no network", str(error), advice) from error


def namespace(word: str) -> int:
    """Return the inode number of a network namespace, given so or as its file (ip-netns(8)). Raises Refusal."""
    if word.isdecimal():
        return int(word)
    try:
        return os.stat(word).st_ino  # noqa: PTH116  (a namespace's file is no file to open)
    except OSError as error:
        advice = "name its file, for example /run/netns/amf, or its inode number"
        raise Refusal("collector.network_namespaces names none", f"{word}: {error.strerror}", advice) from error


def group(word: str) -> list[int]:
    """Return depth and number of a control group (version 2), given as its folder. Raises Refusal."""
    place = Path(word)
    try:
        number = place.stat().st_ino
        depth = depth_of(place.resolve(), MOUNTS.read_text())
    except OSError as error:
        raise Refusal("collector.control_groups names none", f"{word}: {error.strerror}", "name its folder") from error
    if depth is None:
        advice = "name a folder of a file system cgroup2; of version 1 the kernel side knows nothing"
        raise Refusal("collector.control_groups names no group of version 2", word, advice)
    return [depth, number]


def depth_of(place: Path, mounts: str) -> int | None:
    """Return how deep below the root of control groups a folder is, by proc(5)'s mountinfo; None if in no cgroup2."""
    found = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        root, at = before.split()[3:5]
        if after.split()[0] == "cgroup2" and place.is_relative_to(at):
            parts = (*Path(root).parts, *place.relative_to(at).parts)
            found = len([part for part in parts if part not in {"/", ".."}])
    return found


def conditions(chosen: Filters) -> tuple[str, str]:
    """Return what the head `h` of a socket's records must be when it is met, and when a process uses it; C."""
    ends = _any(_within(word) for word in chosen.get("networks", []))
    netns = _any(f"(h)->netns == {number}U" for number in chosen.get("namespaces", []))
    groups = _any(
        f"bpf_get_current_ancestor_cgroup_id({depth}) == {number}ULL" for depth, number in chosen.get("groups", [])
    )
    programs = _any(_called(word) for word in chosen.get("programs", []))
    return f"({ends}) && ({netns})", f"({groups}) && ({programs})"


def _any(alternatives: Iterable[str]) -> str:
    return " || ".join(f"({one})" for one in alternatives) or "1"


def _within(word: str) -> str:
    """Return that either end is in a network: 32-bit words as they stand in memory, each with its mask."""
    from ipaddress import ip_network

    found = ip_network(word)
    pairs = zip(_words(found.network_address.packed, 4), _words(found.netmask.packed, 4), strict=True)
    given = ", ".join(f"{value}U, {mask}U" for value, mask in pairs)
    return _any(f"IN_IPV{found.version}(h, {end}, {given})" for end in ("local", "remote"))


def _called(word: str) -> str:
    """Return that the process has this name, whatever stands behind its end."""
    name = word.encode()[:NAME_BYTES] + b"\0"
    length = -(-len(name) // WORD_BYTES) * WORD_BYTES
    values = _words(name.ljust(length, b"\0"), WORD_BYTES)
    masks = _words((b"\xff" * len(name)).ljust(length, b"\0"), WORD_BYTES)
    each = enumerate(zip(values, masks, strict=True))
    return " && ".join(f"(NAME_WORD(h, {place}) & {mask}ULL) == {value}ULL" for place, (value, mask) in each)


def _words(octets: bytes, size: int) -> list[int]:
    return [int.from_bytes(octets[at : at + size], "little") for at in range(0, len(octets), size)]
