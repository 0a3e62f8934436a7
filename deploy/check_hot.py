"""Which hot functions fell back to Python objects: reads Cython's annotation, fails with a line for each.

python -m deploy.check_hot

A literal above 31 bits, a forgotten type or a call by name make Cython compute with Python objects without a word, at
ten times the cost. Its annotation shows the C code of each source line; in hot functions none may name the C-API's
generic operations.
"""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HOT = {
    "collector.huffman": ("decode", "_is_padding", "_long_code"),
    "collector.hpack_window": ("slot", "identity", "may_hold", "insert", "_prove", "_evict", "resize"),
    "collector.literals": ("met", "keep", "_hash"),
    "collector.avro": ("_put_long", "_told", "zeros", "text"),
    "collector.event": ("_write_exchange", "_write_header_block", "_write_nf", "_write_names"),
    "collector.hpack": ("decode", "_indexed", "_literal", "_field", "_integer", "_string", "_string_bytes", "_emit"),
    "collector.frames": ("is_legal", "push", "next", "_carried", "_whole", "_dispatch", "_payload", "_begin_block"),
    "collector.halves": ("new_message", "add_body", "finish", "oldest_ns"),
    "collector.stream": ("half", "state", "set_half", "set_state", "get", "is_new", "began", "hold"),
    "collector.side": ("reader",),
    "collector.exchanges": ("other", "begin", "finish", "settle", "take"),
    "collector.header_blocks": ("read_block", "_pseudo_headers", "_status", "_take", "_input", "_fill"),
    "collector.bodies": ("read_data", "_take", "_add"),
    "collector.http2": ("feed", "_read", "_side"),
    "collector.capture_file": ("time_ns", "word"),
    "collector.packets": ("_ends", "word", "network"),
    "collector.tcp": ("ahead",),
    "collector.bytestream": ("chunk",),
    "collector.connections": ("chunk", "open_ns", "is_waiting"),
    "collector.path_templates": ("_walk", "_reached", "_step", "_word", "_is_word", "_major"),
    "collector.met_bodies": ("_is_long",),
    "collector.json_members": ("_place", "_value", "_key", "_slot", "_string", "_number"),
}
# What the C-API does without knowing a type.
GENERIC = re.compile(
    r"PyNumber_\w+|PyObject_(?:RichCompare\w*|GetAttr\w*|SetAttr\w*|Call\w*|GetItem|SetItem|Size)"
    r"|__Pyx_PyObject_(?:GetAttr\w*|SetAttr\w*|Call\w*)|__Pyx_PyInt_\w*Obj\w*|__Pyx_PyLong_\w*Obj\w*"
    r"|__Pyx_PyObject_FastCall\w*|__Pyx_SetItemInt_Generic"
)
# Lines that are met seldom: counts under a reason, the order of eviction, what is cut between two chunks, GOAWAY.
RARE = re.compile(r"reasons\.|move_to_end|bytearray\(|bytes\(|carry \+=|_more \+=|Ended\.GOAWAY")
LINE = re.compile(
    r"""<pre class=["']cython line[^>]*>(.*?)</pre>\s*(?:<pre class=["']cython code[^>]*>(.*?)</pre>)?""", re.DOTALL
)


def annotated(module: str, folder: str) -> list[tuple[str, str]]:
    """Return (source line, its C code) of a module, as Cython annotates it."""
    source = module.replace(".", "/") + ".py"
    command = [sys.executable, "-m", "cython", "-3", "-a", "-o", f"{folder}/{module}.c", source]
    subprocess.run(command, check=True, capture_output=True)
    page = Path(folder, f"{module}.html").read_text()
    return [(_text(line), _text(code or "")) for line, code in LINE.findall(page)]


def _text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def faults(module: str, hot: tuple[str, ...], lines: list[tuple[str, str]]) -> list[str]:
    """Return a line of text for each source line of a hot function that works on objects, and each function missing."""
    found = []
    missing = set(hot)
    inside = ""
    for text, code in lines:
        source = re.sub(r"^[+\s]*\d+: ?", "", text.rstrip())
        head = re.match(r" *def (\w+)\(", source)
        if head:  # its own code is the wrapper for calls from Python
            inside = head[1]
            missing.discard(inside)
        elif inside in hot and not RARE.search(source):
            found += [f"{module}.{inside}: {name} in: {source.strip()}" for name in sorted(set(GENERIC.findall(code)))]
    return found + [f"{module}.{name}: no such function" for name in sorted(missing)]


def main() -> int:
    """Check every hot function."""
    with tempfile.TemporaryDirectory() as folder:
        found = [line for module, hot in HOT.items() for line in faults(module, hot, annotated(module, folder))]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
