"""The expression of `tail --where`: what it takes, what it refuses in one line, and what it is equal to."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import fields_of
from schemas.refusal import Refusal
from streams.where import DEEPEST, where

KINDS = dict(fields_of("sbi_transaction_batch", "SbiTransaction"))
ROW = dict.fromkeys(KINDS) | {
    "outcome": "client_error",
    "status": 404,
    "service": "nudm-sdm",
    "cause": "USER_NOT_FOUND",
    "duration_us": 1_500,
    "tls": True,
    "missing": ["path", "authority"],
    "user_agent": 'AMF "one" or two',
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("status=404", True),
        ("status = 404", True),
        ("status!=404", False),
        ("status>=400 and status<500", True),
        ("duration_us>1500", False),
        ("duration_us<1500.5", True),
        ("outcome=success or outcome=client_error", True),
        ("outcome=success or status=404 and service=nudm-sdm", True),
        ("(outcome=success or status=404) and service=nausf-auth", False),
        ("not outcome=success", True),
        ("not (outcome=client_error and status=404)", False),
        ("cause~not_found", True),
        ("cause!~not_found", False),
        ("supi=null", True),
        ("supi!=null", False),
        ("cause=null", False),
        ('cause="null"', False),
        ("supi~imsi", False),
        ("supi!~imsi", True),
        ("status~40", True),
        ("priority<5", False),
        ("tls=true", True),
        ("tls!=true", False),
        ("missing~authority", True),
        ('user_agent="AMF \\"one\\" or two"', True),
        ("user_agent~'", False),
        ("path~/nudm.*", False),
    ],
)
def test_it_tells(text: str, wanted: bool) -> None:
    assert where(text, KINDS)(ROW) is wanted


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "the end in the place of a field"),
        ("status", "the end in the place of = ~ < or > behind status"),
        ("status=", "the end in the place of a value behind status="),
        ("state=1", "--where names no field: state; see the fields with: sbiscope tail --fields"),
        ("status=many", "status is a number, 'many' is none"),
        ("tls=yes", "tls is true or false, not 'yes'"),
        ("cause<3", "cause is no number"),
        ("missing=path", "missing has many values; write missing~path"),
        ("status=404 service=x", "'service' where the expression should end"),
        ("(status=404", "a bracket is not closed"),
        ("status=404)", "')' where the expression should end"),
        ("status==404", "'=' in the place of a value"),
        ('cause="x', "is none of its words"),
        ("and status=404", "--where names no field: and"),
        ("(" * 30 + "status=1" + ")" * 30, f"more than {DEEPEST} brackets"),
        ("not " * 100 + "status=1", f"more than {DEEPEST} brackets"),
        ("status=1 or " * 500 + "status=1", "--where is too long"),
        ("__class__=1", "--where names no field: __class__"),
        ("cau\x1bse=1", "--where names no field: cau\\x1bse"),
    ],
)
def test_it_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(Refusal) as refused:
        where(text, KINDS)
    assert line in str(refused.value)
    assert str(refused.value).isprintable()


NUMBERS = st.integers(0, 9)
LEAVES = st.tuples(st.sampled_from(["=", "!=", "<", ">=", ">", "<="]), NUMBERS).map(
    lambda one: (f"status{one[0]}{one[1]}", f"(s {one[0].replace('=', '==') if one[0] == '=' else one[0]} {one[1]})")
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda one: (f"({one[0][0]}) {one[1]} ({one[2][0]})", f"(({one[0][1]}) {one[1]} ({one[2][1]}))")
        ),
        inner.map(lambda one: (f"not ({one[0]})", f"(not {one[1]})")),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, NUMBERS)
def test_it_is_what_python_makes_of_it(both: tuple[str, str], status: int) -> None:
    row: Mapping[str, Any] = {**ROW, "status": status}
    try:
        test = where(both[0], KINDS)
    except Refusal as refused:
        assert "brackets" in str(refused)
        return
    assert test(row) is bool(eval(both[1], {}, {"s": status}))


@given(st.text(max_size=60))
def test_any_text_is_a_test_or_a_refusal(text: str) -> None:
    try:
        test = where(text, KINDS)
    except Refusal:
        return
    assert test(ROW) in (True, False)
