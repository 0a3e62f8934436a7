"""The loader: a short-lived process that compiles the probes with bcc, loads them, hands its descriptors over and ends.

`python -m collector.loader SOCKET REQUEST`: a Unix socket's descriptor, a JSON object. bcc takes 100 MB; nothing of it
stays. The only process that needs CAP_BPF and CAP_PERFMON.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from collector.btf import kernel_offsets
from collector.tls_events import open_events
from schemas.refusal import Refusal

SOURCES = Path(__file__).parent.parent / "bpf"
DISTRIBUTION = "/usr/lib/python3/dist-packages"  # where Debian's python3-bpfcc lies
PAGE = 4_096
PID_NAMESPACE = Path("/proc/self/ns/pid")
ROOT_PID_NAMESPACE = 0xEFFF_FFFC  # PROC_PID_INIT_INO

SHARED = ("sockets", "copy", "tls_sockets", "capture")
TLS = "tls"
TLS_PROGRAMS = ("tls_enter", "tls_leave", "go_enter", "go_leave")  # attached by collector.tls_attacher
TLS_LOOPS = ("tls_go_on", "go_go_on")  # copy the rest of a call; places in `tls_programs`
UPROBE_MULTI = 48  # BPF_TRACE_UPROBE_MULTI: programs for links that take many functions, Linux 6.6
SOCK, FEXIT, KPROBE, SYSCALL = HOOKS = ("sock", "fexit", "kprobe", "syscall")  # best first (bpf/<name>.c)
RAW_TRACEPOINTS = {
    SOCK: {"on_send": "sock_send_length", "on_receive": "sock_recv_length"},
    SYSCALL: {"on_exit": "sys_exit"},
}
KPROBES = {"enter_send": "tcp_sendmsg", "enter_receive": "tcp_recvmsg"}
KRETPROBES = {"leave_send": "tcp_sendmsg", "leave_receive": "tcp_recvmsg"}


def source(hook: str) -> str:
    """Return the program of a hook: bcc wants it in one piece."""
    return "\n".join((SOURCES / f"{name}.c").read_text() for name in (*SHARED, hook, TLS))


def flags(ring_bytes: int, ports: tuple[int, ...], only_own: bool) -> list[str]:
    """Return what the compiler must know: struct offsets, the ring's size, port filter, whose process ids count."""
    wanted = " || ".join(f"(port) == {port}" for port in ports) or "1"
    namespace = PID_NAMESPACE.stat().st_ino
    is_nested = namespace != ROOT_PID_NAMESPACE  # else every process is in it
    return [
        f"-I{SOURCES}",
        f"-DRING_PAGES={ring_bytes // PAGE}",
        f"-DWANTED(port)=({wanted})",
        f"-DPID_NAMESPACE={namespace if is_nested else 0}U",
        f"-DONLY_OWN={int(only_own and is_nested)}",
        *(f"-D{name}={offset}" for name, offset in kernel_offsets().items()),
    ]


def load(bcc: Any, hook: str, cflags: list[str]) -> dict[str, int]:
    """Compile, load and attach the probes of `hook`; return descriptors by name. Raises what bcc raises."""
    program = bcc.BPF(text=source(hook), cflags=cflags)  # fexit attaches itself
    if hook in RAW_TRACEPOINTS:
        _chain(program, bcc.BPF.RAW_TRACEPOINT)
        for function, tracepoint in RAW_TRACEPOINTS[hook].items():
            program.attach_raw_tracepoint(tp=tracepoint, fn_name=function)
    elif hook == KPROBE:
        _chain(program, bcc.BPF.KPROBE)
        for function, kernel_function in KPROBES.items():
            program.attach_kprobe(event=kernel_function, fn_name=function)
        for function, kernel_function in KRETPROBES.items():
            program.attach_kretprobe(event=kernel_function, fn_name=function)
    program.attach_raw_tracepoint(tp="inet_sock_set_state", fn_name="set_state")
    held = [*program.raw_tracepoint_fds.values(), *program.kfunc_exit_fds.values(), *program.kprobe_fds.values()]
    if hook != FEXIT:
        held.append(program["programs"].map_fd)  # the kernel empties it when nobody holds it
    maps = {name: program[name].map_fd for name in ("ring", "counters", "verdicts")}
    maps |= load_tls(program, bcc.BPF.KPROBE)
    return maps | {f"held{number}": descriptor for number, descriptor in enumerate(held)}


def load_tls(program: Any, kind: int) -> dict[str, int]:
    """Load what follows TLS; nothing where the kernel has no links for it."""
    from ctypes import c_int

    try:
        for place, name in enumerate(TLS_LOOPS):
            loop = program.load_func(name, kind, attach_type=UPROBE_MULTI)
            program["tls_programs"][c_int(place)] = c_int(loop.fd)
        found = {name: program.load_func(name, kind, attach_type=UPROBE_MULTI).fd for name in TLS_PROGRAMS}
    except Exception as error:  # noqa: BLE001  (bcc raises plain ones)
        sys.stderr.write(f"TLS: {_reason(error)}\n")
        return {}
    events = {f"cpu{cpu}": open_events(cpu) for cpu in sorted(os.sched_getaffinity(0))}
    return found | events | {name: program[name].map_fd for name in ("tls_uses", "tls_programs")}


def _chain(program: Any, kind: int) -> None:
    """Let the copying program follow itself, before anything calls it."""
    from ctypes import c_int

    program["programs"][c_int(0)] = c_int(program.load_func("go_on", kind).fd)


def first_that_loads(bcc: Any, hooks: list[str], cflags: list[str]) -> tuple[dict[str, int], str, dict[str, str]]:
    """Return the descriptors of the first hook that loads, its name, and why the ones before it did not."""
    refused: dict[str, str] = {}
    for hook in hooks:
        try:
            return load(bcc, hook, cflags), hook, refused
        except Exception as error:  # noqa: BLE001  (bcc raises plain ones)
            refused[hook] = _reason(error)
    return {}, "", refused


def _reason(error: Exception) -> str:
    """Return bcc's message without its Python and its advice."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "super-user" in line:  # bcc's word for EPERM, for root too
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
        cflags = flags(request["ring_bytes"], tuple(request["ports"]), request["only_own"])
        descriptors, hook, refused = first_that_loads(import_bcc(), request["hooks"], cflags)
        reply = {"names": list(descriptors), "hook": hook, "refused": refused}
    except Refusal as refusal:
        reply = {"refusal": [refusal.failed, refusal.seen, refusal.advice]}
    socket.send_fds(answer, [json.dumps(reply).encode()], list(descriptors.values()))
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
