"""The record's Python spelling is that of bpf/record.h, as the C compiler has it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from collector import record
from collector.record import ENDING, FIELDS, HEAD, OFFSETS, Kind, Role, ending_of, head_of

BPF = Path(__file__).parent.parent / "bpf"
TYPES = "\n".join(f"typedef {name} {short};" for name, short in (
    ("unsigned char", "u8"), ("unsigned short", "u16"), ("unsigned int", "u32"), ("unsigned long long", "u64"),
))  # fmt: skip
ENUMERATORS = (
    "DATA", "MISSING", "CLOSED", "SENT", "RECEIVED", "JOINED", "CLIENT", "SERVER", "UNJUDGED", "SBI", "IGNORED",
    "SMALL_BYTES", "MEDIUM_BYTES", "LARGE_BYTES", "CHUNK_BYTES",
)  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the C compiler says of the header: sizes, offsets, enumerators."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler (cc) to ask")
    asked = {f"offset {name}": f"offsetof(struct record, {name})" for name, _ in FIELDS}
    asked |= {f"size {name}": f"sizeof(((struct record *)0)->{name})" for name, _ in FIELDS}
    asked |= {f"ending {name}": f"offsetof(struct ending, {name})" for name in ("position", "unread", "unused")}
    asked |= {"record": "sizeof(struct record)", "ending": "sizeof(struct ending)"}
    asked |= {"largest": "sizeof(struct chunk_record)"}
    asked |= {name: name for name in (*ENUMERATORS, *counters(), "LEFT_OUT_STEP", "LEFT_OUT_PLACES")}
    prints = "\n".join(f'printf("{label}:%d\\n", (int)({what}));' for label, what in asked.items())
    place = tmp_path_factory.mktemp("record")
    head = f'#include <stddef.h>\n#include <stdio.h>\n{TYPES}\n#include "record.h"\n'
    (place / "ask.c").write_text(head + f"int main(void) {{ {prints} return 0; }}\n")
    subprocess.run(["cc", f"-I{BPF}", "-o", place / "ask", place / "ask.c"], check=True)
    lines = subprocess.run([place / "ask"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {label: int(number) for label, number in (line.split(":") for line in lines)}


def counters() -> list[str]:
    """Return the names of `enum counter` in the header."""
    body = (BPF / "record.h").read_text().partition("enum counter {")[2].partition("}")[0]
    return re.findall(r"^\s*([A-Z0-9_]+) = ", body, re.MULTILINE)


def test_every_member_stands_where_the_compiler_puts_it(said: dict[str, int]) -> None:
    assert {name: said[f"offset {name}"] for name, _ in FIELDS} == OFFSETS
    for name, code in FIELDS:
        assert said[f"size {name}"] == record.Struct("<" + code).size, name


def test_the_sizes_are_the_compilers(said: dict[str, int]) -> None:
    assert (said["record"], said["ending"], said["largest"]) == (HEAD.size, ENDING.size, record.LARGEST_RECORD)
    assert (said["ending position"], said["ending unread"], said["ending unused"]) == (0, 16, 20)


def test_the_enumerators_have_the_same_numbers(said: dict[str, int]) -> None:
    spelled = {**Kind.__members__, **Role.__members__}
    for name in ENUMERATORS:
        ours = spelled[name] if name in spelled else getattr(record, name)
        assert ours == said[name], name


def test_every_counter_has_a_name(said: dict[str, int]) -> None:
    controls = {"COPY_AT_MOST", "ONE_IN", "FLOW_MINUTE", "TLS_OFF", "HTTP2_FOLLOWED", "TLS_PROBED"}
    several = {"COUNTERS", "CHUNKS", "CHUNKS_READ"}
    known = [name for name in counters() if name not in several | controls]
    assert [said[name] for name in known] == list(record.BY_PLACE)
    assert {said[name]: getattr(record, name) for name in controls} == {said[name]: said[name] for name in controls}
    assert (said["CHUNKS"], said["CHUNKS_READ"]) == (record.CHUNKS, record.CHUNKS_READ)
    assert said["COUNTERS"] == record.COUNTER_SLOTS
    places = (said["LEFT_OUT"] + said["LEFT_OUT_STEP"] * place for place in range(said["LEFT_OUT_PLACES"]))
    assert [*places] == [*record.LEFT_OUT]


def test_a_record_is_read_field_by_field() -> None:
    texts = b"l" * 16, b"r" * 16, b"amf".ljust(16, b"\0")
    head = record.Head(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 0, 2, 10, *texts, 0, 0, 1, b"\0", 14)
    octets = HEAD.pack(*head) + ENDING.pack(11, 12, 13, 0)
    assert head_of(octets) == head
    assert ending_of(octets) == (11, 12, 13, 0)
