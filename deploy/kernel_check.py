"""What this kernel and machine can do for the agent, and what is missing: the kernel's part of `sbiscope doctor`."""

import os
import platform
from pathlib import Path

from collector.btf import VMLINUX
from collector.hooks import HOOKS
from collector.loader import DISTRIBUTION
from collector.loading import Loading, missing_rights
from collector.privilege import CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, effective_capabilities
from collector.probes import lockdown
from collector.tls_library import Library
from deploy.findings import Finding
from schemas.config import Collector
from schemas.refusal import Refusal

OLDEST = (5, 8)  # the first with BPF ring buffers
TRACEFS = (Path("/sys/kernel/tracing/events"), Path("/sys/kernel/debug/tracing/events"))
MEGABYTE = 1_048_576
SPARE_MB = 256  # beside the ring: the loader's 130 MB for a second, the observer's 60, the kernel's tables


def kernel_findings(config: Collector | None = None) -> list[Finding]:
    """Look at everything that `sbiscope collect` needs of the kernel; loads every hook once, for a second or two."""
    config = config or Collector()
    machine = [_kernel(), _btf(), _rights(), _sight(), _lockdown(), _bcc(), _tracefs(), _memory(config)]
    return [*machine, *_hooks(config)]


def _kernel() -> Finding:
    release, machine = platform.release(), platform.machine()
    numbers = [int(word) for word in release.split("-")[0].split(".")[:2] if word.isdecimal()]
    is_fine = tuple(numbers) >= OLDEST and machine == "x86_64"
    advice = "" if is_fine else "live capture needs Linux 5.8 or later on x86-64; captures are read anywhere"
    return Finding("kernel", is_fine, f"{release} on {machine}", advice)


def _btf() -> Finding:
    if VMLINUX.exists():
        return Finding("BTF", True, f"{VMLINUX}, {VMLINUX.stat().st_size // 1_024} KiB")
    return Finding("BTF", False, f"no {VMLINUX}", "run a kernel built with CONFIG_DEBUG_INFO_BTF")


def _rights() -> Finding:
    lacking = missing_rights()
    if lacking:
        return Finding("rights", False, f"no {' and no '.join(lacking)}", "run as root, or grant these")
    who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
    return Finding("rights", True, f"{who} with CAP_BPF and CAP_PERFMON")


def _sight() -> Finding:
    """Whether other users' processes can be looked at: their libraries (TLS), containers and programs."""
    held = effective_capabilities()
    wanted = (("CAP_SYS_PTRACE", CAP_SYS_PTRACE), ("CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH))
    lacking = [name for name, bit in wanted if not held >> bit & 1]
    if lacking:
        advice = "grant these, or do without TLS and without the names of other users' programs"
        return Finding("sight of processes", False, f"no {' and no '.join(lacking)}", advice)
    return Finding("sight of processes", True, "with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH")


def _lockdown() -> Finding:
    mode = lockdown()
    if mode == "confidentiality":
        return Finding("lockdown", False, mode, "boot with lockdown=integrity or none: probes may not read the kernel")
    return Finding("lockdown", True, mode or "none")


def _bcc() -> Finding:
    version = Path(DISTRIBUTION) / "bcc" / "version.py"  # not imported: it takes 75 MB
    try:
        number = version.read_text().partition(" = ")[2].strip().strip("'")
        return Finding("bcc", True, f"{number} in {version.parent}")
    except OSError:
        return Finding("bcc", False, f"no {version.parent}", "apt-get install python3-bpfcc")


def _tracefs() -> Finding:
    found = [place.parent for place in TRACEFS if os.access(place, os.R_OK)]
    if found:
        return Finding("tracefs", True, str(found[0]))
    return Finding("tracefs", True, "not mounted; raw tracepoints do not need it")


def _memory(config: Collector) -> Finding:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError as error:
        return Finding("memory", False, f"/proc/meminfo: {error.strerror}", "mount /proc; the agent needs it too")
    available_mb = next(int(line.split()[1]) // 1_024 for line in lines if line.startswith("MemAvailable"))
    ring_mb = config.ring_bytes // MEGABYTE
    is_fine = available_mb >= ring_mb + SPARE_MB
    advice = "" if is_fine else "lower collector.ring_bytes, or free memory"
    return Finding("memory", is_fine, f"{available_mb} MB available; the ring takes {ring_mb}", advice)


def _hooks(config: Collector) -> list[Finding]:
    results = {hook: _try(hook, config) for hook in HOOKS}
    best = next((hook for hook, (why, _) in results.items() if not why), None)
    tls = [_tls(results[best][1])] if best else []
    return [*(_hook(hook, why, best) for hook, (why, _) in results.items()), *tls]


def _tls(is_followed: bool) -> Finding:
    if not is_followed:
        return Finding("TLS", True, "not followed: this kernel has no uprobe_multi links, which came with Linux 6.6")
    *libraries, further = (one.value for one in Library)
    said = f"followed: {', '.join(libraries)}, unless linked statically and stripped"
    return Finding("TLS", True, f"{said}; where none of them shows it, by {further}")


def _hook(hook: str, why: str, best: str | None) -> Finding:
    if not why:
        return Finding(f"hook {hook}", True, "loads, in use" if hook == best else "loads")
    if best:
        return Finding(f"hook {hook}", True, f"does not load ({why}); not needed")
    return Finding(f"hook {hook}", False, why, "none loads: see the lines above, then this kernel's policy on BPF")


def _try(hook: str, config: Collector) -> tuple[str, bool]:
    """Return why a hook does not load, "" if it does, and whether TLS is followed; what was loaded is gone again."""
    try:
        loaded = Loading([hook], config.ring_bytes).loaded()
    except Refusal as refusal:
        return str(refusal), False
    for descriptor in loaded.descriptors.values():
        os.close(descriptor)
    return loaded.refused.get(hook, ""), "tls_enter" in loaded.descriptors
