"""The loader: a short-lived process that compiles the probes with bcc, loads them, hands its descriptors over and ends.

`collector.loader SOCKET REQUEST`: a Unix socket's descriptor, a JSON object. bcc takes 100 MB and a second;
nothing of it stays but what it compiled, where root keeps a cache. The only process that needs CAP_BPF and CAP_PERFMON.
"""

import json
import os
import socket
import sys
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from collector import btf
from collector.bpf_calls import KPROBE as KPROBE_KIND
from collector.bpf_calls import RAW_TRACEPOINT, attach_raw_tracepoint
from collector.hooks import FEXIT, KPROBE, SOCK, SYSCALL
from collector.loadable import Loadable, compiled, made_anew
from collector.root_cache import RootCache
from collector.tls_events import open_events
from collector.translation import from_octets, to_octets
from collector.wanted import EVERYTHING, Filters, conditions
from schemas.refusal import Refusal

SOURCES = Path(__file__).parent.parent / "bpf"
DISTRIBUTION = "/usr/lib/python3/dist-packages"  # where Debian's python3-bpfcc lies
CACHE = RootCache(Path("/var/cache/sbiscope-programs"), "programs")  # the other one may be a service's own
KERNEL = Path("/proc/version")  # release, build number and time
PAGE = 4_096
PID_NAMESPACE = Path("/proc/self/ns/pid")
ROOT_PID_NAMESPACE = 0xEFFF_FFFC  # PROC_PID_INIT_INO

SHARED = ("sockets", "shown", "copy", "tls_sockets", "capture")
LOOP = "go_on"  # copies the rest of a call
STATE, BIRTHS = "set_state", "inet_sock_set_state"
TLS = ("tls", "go_tls", "http2")
# Attached by collector.tls_attacher.
TLS_PROGRAMS = ("tls_enter", "tls_leave", "go_enter", "go_leave", "http2_enter", "http2_leave")
TLS_LOOPS = ("tls_go_on", "go_go_on")  # copy the rest of a call; places in `tls_programs`
UPROBE_MULTI = 48  # BPF_TRACE_UPROBE_MULTI: programs for links that take many functions, Linux 6.6
RAW_TRACEPOINTS = {
    SOCK: {"on_send": "sock_send_length", "on_receive": "sock_recv_length"},
    SYSCALL: {"on_exit": "sys_exit"},
}
FEXIT_TURNS = 128  # pieces of a call, 2 MB: it has no tail calls to go on with, and the verifier walks each turn
KPROBES = {"enter_send": "tcp_sendmsg", "enter_receive": "tcp_recvmsg"}
KRETPROBES = {"leave_send": "tcp_sendmsg", "leave_receive": "tcp_recvmsg"}


def source(hook: str) -> str:
    """Return the program of a hook: bcc wants it in one piece."""
    return "\n".join((SOURCES / f"{name}.c").read_text() for name in (*SHARED, hook, *TLS))


def flags(ring_bytes: int, ports: tuple[int, ...], only_own: bool, filters: Filters = EVERYTHING) -> list[str]:
    """Return what the compiler must know: struct offsets, the ring's size, the filters, whose process ids count."""
    place, caller = conditions(filters)
    wanted = " || ".join(f"(port) == {port}" for port in ports) or "1"
    namespace = PID_NAMESPACE.stat().st_ino
    is_nested = namespace != ROOT_PID_NAMESPACE  # else every process is in it
    return [
        f"-I{SOURCES}",
        f"-DRING_PAGES={ring_bytes // PAGE}",
        f"-DWANTED(port)=({wanted})",
        f"-DWANTED_PLACE(h)=({place})",
        f"-DWANTED_CALLER(h)=({caller})",
        f"-DPID_NAMESPACE={namespace if is_nested else 0}U",
        f"-DONLY_OWN={int(only_own and is_nested)}",
        *(f"-D{name}={offset}" for name, offset in btf.kernel_offsets().items()),
    ]


def load(hook: str, cflags: list[str], cache: RootCache) -> dict[str, int]:
    """Load and attach the probes of `hook`, compiled or as `cache` has them; return descriptors by name.

    Raises OSError where the kernel refuses them, what bcc raises, and Refusal where bcc is wanted and not there.
    """
    if hook not in RAW_TRACEPOINTS:  # bcc attaches these
        return _load_by_bcc(hook, cflags)
    text = source(hook)
    name = fingerprint(text, cflags)
    kept = cache.get(name)
    if kept is not None:
        with suppress(OSError, LookupError, ValueError):  # of no use, for whatever reason
            return _attached(hook, made_anew(from_octets(kept)))
    found = compiled(_bcc_program(text, cflags), (LOOP, *RAW_TRACEPOINTS[hook], STATE, *TLS_LOOPS, *TLS_PROGRAMS))
    descriptors = _attached(hook, found)
    cache.keep(name, to_octets(found.translation()))
    return descriptors


def is_kept(hook: str, cflags: list[str], cache: RootCache) -> bool:
    """Tell whether `cache` has the probes of `hook` as they would be compiled."""
    return cache.get(fingerprint(source(hook), cflags)) is not None


def _attached(hook: str, found: Loadable) -> dict[str, int]:
    """Load and attach the programs of a hook of raw tracepoints."""
    for name in TLS_LOOPS:  # these and the first that follows take nearly all of the time
        found.begin(name, KPROBE_KIND, UPROBE_MULTI)
    found.put("programs", 0, found.load(LOOP, RAW_TRACEPOINT))  # before anything calls it
    places = {**RAW_TRACEPOINTS[hook], STATE: BIRTHS}
    links = [attach_raw_tracepoint(place, found.load(name, RAW_TRACEPOINT)) for name, place in places.items()]
    return _named(found, [*links, found.map("programs")])


def _load_by_bcc(hook: str, cflags: list[str]) -> dict[str, int]:
    """Load and attach a hook on functions of the kernel."""
    turns = [f"-DTURNS={FEXIT_TURNS}"] if hook == FEXIT else []
    program = _bcc_program(source(hook), [*cflags, *turns])  # fexit attaches itself
    found = compiled(program, (*TLS_LOOPS, *TLS_PROGRAMS, *((LOOP,) if hook == KPROBE else ())))
    if hook == KPROBE:
        found.put("programs", 0, found.load(LOOP, KPROBE_KIND))
        for function, kernel_function in KPROBES.items():
            program.attach_kprobe(event=kernel_function, fn_name=function)
        for function, kernel_function in KRETPROBES.items():
            program.attach_kretprobe(event=kernel_function, fn_name=function)
    program.attach_raw_tracepoint(tp=BIRTHS, fn_name=STATE)
    kprobes = [link for links in program.kprobe_fds.values() for link in links.values()]
    links = [*program.raw_tracepoint_fds.values(), *program.kfunc_exit_fds.values(), *kprobes]
    return _named(found, [*links, found.map("programs")] if hook != FEXIT else links)


def _named(found: Loadable, held: list[int]) -> dict[str, int]:
    """Return what is handed over. `held` keeps the probes attached; the kernel empties an array nobody holds."""
    maps = {name: found.map(name) for name in ("ring", "counters", "verdicts")}
    return maps | load_tls(found) | {f"held{number}": descriptor for number, descriptor in enumerate(held)}


def load_tls(found: Loadable) -> dict[str, int]:
    """Load what follows TLS; nothing where the kernel has no links for it."""
    try:
        for place, name in enumerate(TLS_LOOPS):
            found.put("tls_programs", place, found.load(name, KPROBE_KIND, UPROBE_MULTI))
        programs = {name: found.load(name, KPROBE_KIND, UPROBE_MULTI) for name in TLS_PROGRAMS}
    except OSError as error:
        sys.stderr.write(f"TLS: {_reason(error)}\n")
        return {}
    events = {f"cpu{cpu}": open_events(cpu) for cpu in sorted(os.sched_getaffinity(0))}
    return programs | events | {name: found.map(name) for name in ("tls_uses", "tls_programs", "shown_processes")}


def fingerprint(text: str, cflags: list[str]) -> str:
    """Return what names a translation: source, what it includes, flags, this kernel and the compiler."""
    digest = blake2b(digest_size=16)
    included = [path.read_bytes() for path in sorted(SOURCES.rglob("*.h"))]
    compiler = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}".encode() for path in compilers()]
    for part in (text.encode(), *map(str.encode, cflags), *included, KERNEL.read_bytes(), *compiler):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def compilers() -> list[Path]:
    """Return the files of bcc, whose release and build they tell; nothing is imported."""
    libraries = sorted(place for place in Path("/usr/lib").glob("*/libbcc.so.*"))
    return [*libraries, *sorted((Path(DISTRIBUTION) / "bcc").glob("*.py"))]


def _bcc_program(text: str, cflags: list[str]) -> Any:
    return import_bcc().BPF(text=text.encode(), cflags=cflags)


def first_that_loads(
    hooks: list[str], cflags: list[str], cache: RootCache
) -> tuple[dict[str, int], str, dict[str, str]]:
    """Return the descriptors of the first hook that loads, its name, and why the ones before it did not.

    Raises Refusal where bcc is wanted and not there.
    """
    refused: dict[str, str] = {}
    for hook in hooks:
        try:
            return load(hook, cflags, cache), hook, refused
        except Refusal:
            raise
        except Exception as error:  # noqa: BLE001  (bcc raises plain ones)
            refused[hook] = _reason(error)
    return {}, "", refused


def _reason(error: Exception) -> str:
    """Return bcc's message without its Python and its advice."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, PermissionError) or "super-user" in line:  # bcc's word for EPERM, for root too
        return "the kernel refuses to load it (EPERM)"
    return line.replace("b'", "'").split(", it's not traceable")[0]


def import_bcc() -> Any:
    """Return the module bcc of the distribution, behind everything else on the path. Raises Refusal."""
    sys.path.append(DISTRIBUTION)
    os.environ["BCC_KERNEL_SOURCE"] = str(SOURCES)
    try:
        import bcc
    except (ImportError, OSError) as error:
        raise Refusal("bcc is not installed", str(error), "apt-get install python3-bpfcc") from error
    if not hasattr(bcc, "BPF"):
        seen = f"the module bcc of {bcc.__file__} is another project"
        raise Refusal("bcc is not installed", seen, "apt-get install python3-bpfcc")
    return bcc


def main() -> None:
    """Answer one request and end without cleaning up: what was loaded lives on in the descriptors."""
    answer = socket.socket(fileno=int(sys.argv[1]))
    request = json.loads(sys.argv[2])
    descriptors: dict[str, int] = {}
    try:
        cflags = flags(request["ring_bytes"], tuple(request["ports"]), request["only_own"], request["filters"])
        descriptors, hook, refused = first_that_loads(request["hooks"], cflags, CACHE)
        reply = {"names": list(descriptors), "hook": hook, "refused": refused}
    except Refusal as refusal:
        reply = {"refusal": [refusal.failed, refusal.seen, refusal.advice]}
    socket.send_fds(answer, [json.dumps(reply).encode()], list(descriptors.values()))
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
