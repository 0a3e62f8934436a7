"""What the configuration asks of the kernel side, checked: which hooks, how large a ring, which ports."""

from schemas.refusal import Refusal

SOCK, FEXIT, KPROBE, SYSCALL = HOOKS = ("sock", "fexit", "kprobe", "syscall")  # best first (bpf/<name>.c)
MOST_PORT = 65_535


def hooks(configured: str) -> tuple[str, ...]:
    """Return the hooks to try, best first. Raises Refusal for an unknown one."""
    if configured in {"", "auto"}:
        return HOOKS
    if configured not in HOOKS:
        raise Refusal("no such hook", repr(configured), f"collector.hook is auto or one of {', '.join(HOOKS)}")
    return (configured,)


def ring_size(configured: int) -> int:
    """Return the ring's size in bytes: the kernel wants a power of two. Raises Refusal."""
    if not 65_536 <= configured <= 1 << 30:
        raise Refusal("the ring has a wrong size", f"{configured} bytes", "set collector.ring_bytes to 64 KiB to 1 GiB")
    return 1 << (configured - 1).bit_length()


def ports(configured: str) -> tuple[int, ...]:
    """Return the ports of a list like "80, 7777"; none = every port. Raises Refusal."""
    words = configured.replace(",", " ").split()
    if not all(word.isdecimal() and 0 < int(word) <= MOST_PORT for word in words):
        raise Refusal("collector.ports is no list of ports", repr(configured), 'write for example "80, 7777"')
    return tuple(map(int, words))
