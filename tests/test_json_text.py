"""JSON that is inert on a terminal (schemas.json_text): a table of characters, and what the report escapes too."""

import json
import sys
import unicodedata

import pytest

from schemas.json_text import silent
from streams.report.inert import DECEPTIVE, visible

HIDES = (
    "\xad",
    "\u061c",
    "\u180e",
    "\u200b",
    "\u202e",
    "\u2066",
    "\u206f",
    "\ufeff",
    "\ufffb",
    "\U000e0001",
    "\U000e007f",
)
SHOWN = ("é", "😀", "\U000e0100", "a\U0010ffff", "\u2027", "\ud800")


@pytest.mark.parametrize("one", sorted({*HIDES, *DECEPTIVE, "\x7f", "\x9b"}), ids=ascii)
def test_what_terminals_obey_or_hide_stands_as_its_escape(one: str) -> None:
    silenced = silent(json.dumps(f"a{one}b", ensure_ascii=False).encode())
    assert silenced.isascii()
    assert json.loads(silenced) == f"a{one}b"
    assert visible(one) != one


@pytest.mark.parametrize("one", SHOWN, ids=ascii)
def test_what_is_seen_stands_as_it_is(one: str) -> None:
    whole = json.dumps(f"a{one}b", ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert silent(whole) == whole


def test_no_character_of_the_tags_or_the_controls_of_direction_is_let_through() -> None:
    directing = {"BN", "LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    every = map(chr, range(0x20, sys.maxunicode + 1))
    loud = [one for one in every if unicodedata.category(one) == "Cf" and unicodedata.bidirectional(one) in directing]
    let = {one for one in loud if not silent(f'"{one}"'.encode()).isascii()}
    assert {hex(ord(one)) for one in let} == set()
