# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which strings cannot name anybody: a look at each character, before collector.redaction looks closer."""

import cython

SHORTEST_RUN = cython.declare(cython.int, 14)  # letters and digits in a row that may be an identifier in base64 or hex
HIDDEN_NUMBER = cython.declare(cython.int, 13)  # of digits amid letters
MOST_PAIRS = cython.declare(cython.int, 5)  # of letters or digits, with marks between: more may be a MAC address
FEWEST_DIGITS = cython.declare(cython.int, 5)  # that may be one where a word begins
SHORTEST_NUMBER = cython.declare(cython.int, 10)  # of digits, whatever stands before and behind
SHORTEST_GUTI = cython.declare(cython.int, 19)  # letters and digits of a 5G-GUTI without its prefix

# Of letters and digits, each a bit, so that a run of them is known by the bits it has.
DIGIT = cython.declare(cython.int, 1)
SMALL_HEX = cython.declare(cython.int, 2)  # a to f
SMALL = cython.declare(cython.int, 4)
CAPITAL = cython.declare(cython.int, 8)
LETTERS = cython.declare(cython.int, 16)  # below this: letters and digits
OTHER = cython.declare(cython.int, 16)
DOT = cython.declare(cython.int, 17)
COLON = cython.declare(cython.int, 18)
SLASH = cython.declare(cython.int, 19)
QUOTE = cython.declare(cython.int, 20)
EQUALS = cython.declare(cython.int, 21)
HYPHEN = cython.declare(cython.int, 22)
PLUS = cython.declare(cython.int, 23)
QUERY = cython.declare(cython.int, 24)
SUSPECT = cython.declare(cython.int, 25)  # percent-encoding and addresses of mail need a closer look

# What tells a word by its last three letters: imsi- suci- gci- 5g-guti- msisdn- mac- eui- nai- gli- extid- impi- impu-
# and sip: sips: tel: and token= secret= assertion= password= mac= addr= address= addr48=, before a digit imsi msisdn
# supi gpsi pei and, whatever follows, imei eyj bearer.
BEFORE_HYPHEN = cython.declare(cython.int, 1)
BEFORE_COLON = cython.declare(cython.int, 2)
BEFORE_EQUALS = cython.declare(cython.int, 4)
ALONE = cython.declare(cython.int, 8)
BEFORE_DIGIT = cython.declare(cython.int, 16)
ENDS = {
    1: "msi uci gci uti sdn mac eui nai gli tid mpi mpu",
    2: "sip ips tel",
    4: "ken ret ion ord mac ddr ess r48",
    8: "mei eyj rer",
    16: "msi sdn upi psi pei",
}


def _kind(octet: int) -> int:
    letter = chr(octet)
    if octet < 128 and letter.isalnum():
        if letter.isdigit():
            return DIGIT
        if letter.isupper():
            return CAPITAL
        return SMALL_HEX if letter <= "f" else SMALL
    marks = {".": DOT, ":": COLON, "/": SLASH, '"': QUOTE, "'": QUOTE, "=": EQUALS, "-": HYPHEN, "+": PLUS, "?": QUERY}
    return SUSPECT if letter in "%@" else marks.get(letter, OTHER)


def _ends() -> bytes:
    """Return what three letters in a row end, by the low five bits of each: capitals count as small ones."""
    table = bytearray(32_768)
    for told, words in ENDS.items():
        for word in words.split():
            first, second, third = (ord(letter) & 31 for letter in word)
            table[first << 10 | second << 5 | third] |= told
    return bytes(table)


_KINDS_BYTES = cython.declare(bytes, bytes(map(_kind, range(256))))
_KINDS = cython.declare(cython.p_const_uchar)
_KINDS = _KINDS_BYTES
_ENDS_BYTES = cython.declare(bytes, _ends())
_ENDS = cython.declare(cython.p_const_uchar)
_ENDS = _ENDS_BYTES


@cython.ccall
@cython.exceptval(check=False)
def may_name(text: str) -> cython.bint:
    """Tell whether `text` may hold an identifier or a token in any form that is looked for; 1 ns a character."""
    if not text.isascii():
        return True
    octets: bytes = text.encode("ascii") + b"  "
    return _looks_like_a_name(octets, len(octets) - 1)


@cython.cfunc
@cython.exceptval(check=False)
def _looks_like_a_name(p: cython.p_const_uchar, end: cython.Py_ssize_t) -> cython.bint:
    at: cython.Py_ssize_t
    kind: cython.int
    told: cython.int
    last: cython.int = 0  # three letters
    run: cython.int = 0
    seen: cython.int = 0  # kinds in this run
    digits: cython.int = 0  # it begins with
    pairs: cython.int = 0  # of letters or digits, one after the other
    dots: cython.int = 0
    colons: cython.int = 0
    before_address: cython.bint = False
    for at in range(end):
        kind = _KINDS[p[at]]
        told = _ENDS[last]
        if told and _is_word(told, kind):
            return True
        if kind < LETTERS:
            run += 1
            seen |= kind
            if seen == DIGIT:
                digits = run
        else:
            if run >= FEWEST_DIGITS and _is_run(p, at, run, seen, digits, kind):
                return True
            pairs = pairs + 1 if run == 2 else 0
            if pairs >= MOST_PAIRS:
                return True
            run = seen = digits = 0
            if kind == DOT:
                dots += 1
            elif kind == COLON:
                colons += 1
            elif kind == SLASH:
                if (at == 0 or (p[at - 1] != 47 and p[at - 1] != 58)) and _is_address(p, at + 1):
                    return True
            elif kind == QUOTE or kind == EQUALS:
                before_address = before_address or p[at + 1] == 58 or _KINDS[p[at + 1]] != SMALL
            elif kind == QUERY:
                before_address = True
            elif kind == SUSPECT or (kind == PLUS and _KINDS[p[at + 1]] == DIGIT):
                return True
        last = (last << 5 | p[at] & 31) & 32_767
    return before_address and (dots > 2 or colons > 1)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_word(told: cython.int, kind: cython.int) -> cython.bint:
    """Tell whether a mark or digit of this kind makes a word of what three letters end."""
    if told & ALONE:
        return True
    if kind == DIGIT:
        return told & BEFORE_DIGIT != 0
    if kind == HYPHEN:
        return told & BEFORE_HYPHEN != 0
    if kind == COLON:
        return told & BEFORE_COLON != 0
    return kind == EQUALS and told & BEFORE_EQUALS != 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_run(
    p: cython.p_const_uchar,
    end: cython.Py_ssize_t,
    run: cython.int,
    seen: cython.int,
    digits: cython.int,
    kind: cython.int,
) -> cython.bint:
    """Tell whether letters and digits that are over at `end` may be somebody; `digits`: at its beginning."""
    if run >= SHORTEST_RUN and (seen & CAPITAL or not seen & SMALL):
        return True
    if digits >= FEWEST_DIGITS and _is_number(seen, run, kind):
        return True
    return run >= HIDDEN_NUMBER and seen & DIGIT != 0 and _has_number(p, end - run, end)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_number(seen: cython.int, run: cython.int, kind: cython.int) -> cython.bint:
    """Tell whether a run that begins with digits may be the number of somebody; `kind`: of the mark behind it.

    A few digits before a hyphen are none, nor are some before letters, unless both are as long as a 5G-GUTI.
    """
    if seen == DIGIT:
        return run >= SHORTEST_NUMBER or kind != HYPHEN
    return run >= SHORTEST_GUTI


@cython.cfunc
@cython.exceptval(check=False)
def _has_number(p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether letters and digits hold a number that is long enough whatever stands beside it."""
    digits: cython.int = 0
    while at < end:
        digits = digits + 1 if _KINDS[p[at]] == DIGIT else 0
        if digits >= HIDDEN_NUMBER:
            return True
        at += 1
    return False


@cython.cfunc
@cython.exceptval(check=False)
def _is_address(p: cython.p_const_uchar, at: cython.Py_ssize_t) -> cython.bint:
    """Tell whether three dots or two colons among hex digits, an IP address maybe, begin at `at`."""
    dots: cython.int = 0
    colons: cython.int = 0
    while p[at] == 46 or p[at] == 58 or _KINDS[p[at]] <= SMALL_HEX or 65 <= p[at] <= 70:
        dots += p[at] == 46
        colons += p[at] == 58
        at += 1
    return dots > 2 or colons > 1
