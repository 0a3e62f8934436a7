# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Which path template of which API a path fits, read in one pass over its octets: flat tables instead of a trie.

The templates of an API are a trie in which a literal segment comes before a variable one. All places that a path may
have reached in it, the most literal first, are one state here; a segment leads from state to state.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import cython

DEEPEST_PREFIX = cython.declare(cython.int, 8)  # segments of a deployment's prefix (TS 29.501 4.4.1)
MAJOR_VERSIONS = cython.declare(cython.int, 16)  # those of the APIs are below
LONGEST_VERSION = cython.declare(cython.Py_ssize_t, 5)  # v1 … v9999
SLASH = cython.declare(cython.int, 47)
QUESTION_MARK = cython.declare(cython.int, 63)
SPREAD = cython.declare(cython.uint, 40_503)  # puts the steps of one state beside one another, states apart


class _Node:
    """A place in the trie of one API version."""

    __slots__ = ("found", "literals", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.found: Any = None

    def add(self, template: str, found: object) -> None:
        node = self
        for segment in template.split("/"):
            if segment[:1] == "{":
                node.variable = node.variable or _Node()
                node = node.variable
            elif segment:
                node = node.literals.setdefault(segment, _Node())
        node.found = found


@cython.no_gc
@cython.freelist(16)
@cython.final
@cython.cclass
class Place:
    """Where a path leads; octets are counted from its beginning.

    service: number of the API, -1 where the path holds none. api_at, version_at, version_end, end: where its name and
    version stand, and where the query begins. major: the version asked for, at most MAJOR_VERSIONS - 1. is_known: the
    API has just this version, else the nearest was taken. state: of PathTemplates, whose `found` has the meaning.
    """

    def __init__(self) -> None:
        """Nowhere yet."""
        self.service = -1
        self.api_at = 0
        self.version_at = 0
        self.version_end = 0
        self.end = 0
        self.major = 0
        self.is_known = False
        self.state = 0


class _States:
    """Makes the states of tries, and numbers the words that lead from one to another."""

    def __init__(self) -> None:
        self.words = [""]  # by number
        self.found: list[Any] = [None]  # by state; in state 0 nothing fits any more
        self.others = [0]  # by state, where a segment leads that is none of its words
        self.steps: dict[tuple[int, int], int] = {}  # by state and word
        self._numbers: dict[str, int] = {}
        self._made: dict[tuple[_Node, ...], int] = {}

    def number(self, word: str) -> int:
        if word not in self._numbers:
            self._numbers[word] = len(self.words)
            self.words.append(word)
        return self._numbers[word]

    def root(self, templates: Mapping[str, object]) -> int:
        node = _Node()
        for template, found in templates.items():
            node.add(template, found)
        return self._state((node,))

    def _state(self, nodes: tuple[_Node, ...]) -> int:
        """Return the number of the state of all places where a path may be, the most literal first."""
        if not nodes:
            return 0
        state = self._made.get(nodes)
        if state is None:
            state = self._made[nodes] = len(self.found)
            self.found.append(next((node.found for node in nodes if node.found is not None), None))
            self.others.append(0)
            self.others[state] = self._state(tuple([node.variable for node in nodes if node.variable is not None]))
            for word in sorted({word for node in nodes for word in node.literals}):
                after = [one for node in nodes for one in (node.literals.get(word), node.variable) if one is not None]
                self.steps[state, self.number(word)] = self._state(tuple(after))
        return state


@cython.final
@cython.cclass
class PathTemplates:
    """The states of all APIs in flat tables, found by hash."""

    def __init__(self, apis: Mapping[str, Mapping[int, Mapping[str, object]]]) -> None:
        """Build them: what a template means, by API name in lower case, major version and template.

        found: what the paths mean that end in a state, None where no template ends.
        """
        states = _States()
        services = {states.number(name): service for service, name in enumerate(apis)}
        roots: list[int] = []
        known: list[int] = []
        for versions in apis.values():
            root_of = {major: states.root(templates) for major, templates in versions.items()}
            for major in range(MAJOR_VERSIONS):
                nearest = _nearest(major, root_of)
                roots.append(root_of[nearest])
                known.append(nearest == major)
        self.found = states.found
        self._roots = array("H", roots)
        self._known = array("B", known)
        self._others = array("H", states.others)
        self._services = array("h", [services.get(number, -1) for number in range(len(states.words))])
        self._keep_words([word.encode() for word in states.words])
        self._keep_steps(states.steps)

    def _keep_words(self, words: Sequence[bytes]) -> None:
        slots, mask = _slots(len(words))
        for number, word in enumerate(words):
            _put(slots, _hash(word) & mask, number)
        self._octets = b"".join(words)
        self._begins = array("I", accumulate(map(len, words), initial=0))
        self._hashes = array("I", map(_hash, words))
        self._words = array("H", slots)
        self._words_mask = mask

    def _keep_steps(self, steps: Mapping[tuple[int, int], int]) -> None:
        slots, mask = _slots(len(steps))
        every = [(0, 0), *((state << 16 | word, after) for (state, word), after in steps.items())]
        for number, (state, word) in enumerate(steps, 1):
            _put(slots, state * SPREAD + word & mask, number)
        self._froms = array("I", [every[number][0] for number in slots])
        self._tos = array("H", [every[number][1] for number in slots])
        self._steps_mask = mask

    def walk(self, path: bytes) -> Place:
        """Return where a path leads, its query left out; empty segments do not count, an API's name in any case."""
        return self._walk(path, len(path))

    def _walk(self, p: cython.p_const_uchar, size: cython.Py_ssize_t) -> Place:
        place: Place = Place.__new__(Place) if cython.compiled else Place()
        end: cython.Py_ssize_t = 0
        while end < size and p[end] != QUESTION_MARK:
            end += 1
        place.end = end
        place.service = -1
        at: cython.Py_ssize_t = 0
        begin: cython.Py_ssize_t = 0
        before: cython.Py_ssize_t = 0  # where the segment before this one begins
        service: cython.int = -1  # that it names
        major: cython.int
        count: cython.int = 0
        octet: cython.uint
        h: cython.uint
        while count <= DEEPEST_PREFIX:
            while at < end and p[at] == SLASH:
                at += 1
            if at == end:
                return place
            begin = at
            h = 0
            while at < end and p[at] != SLASH:
                octet = p[at]
                if 65 <= octet <= 90:
                    octet += 32
                h = (h * 31 + octet) & 0x7FFFFFFF
                at += 1
            if service >= 0:
                major = _major(p, begin, at)
                if major >= 0:
                    place.service = service
                    place.api_at = before
                    place.version_at = begin
                    place.version_end = at
                    place.major = major
                    break
            service = self._services[self._word(p, begin, at, h, True)]
            before = begin
            count += 1
        if place.service >= 0:
            slot: cython.int = service * MAJOR_VERSIONS + place.major
            place.is_known = self._known[slot] != 0 and _is_plain(p, place.version_at, place.version_end)
            place.state = self._reached(p, at, end, self._roots[slot])
        return place

    def _reached(
        self, p: cython.p_const_uchar, at: cython.Py_ssize_t, end: cython.Py_ssize_t, state: cython.uint
    ) -> cython.uint:
        """Return the state that the segments of p[at:end] lead to."""
        begin: cython.Py_ssize_t
        h: cython.uint
        while state:
            while at < end and p[at] == SLASH:
                at += 1
            if at == end:
                break
            begin = at
            h = 0
            while at < end and p[at] != SLASH:
                h = (h * 31 + p[at]) & 0x7FFFFFFF
                at += 1
            state = self._step(state, self._word(p, begin, at, h, False))
        return state

    def _step(self, state: cython.uint, word: cython.uint) -> cython.uint:
        slot: cython.uint = (state * SPREAD + word) & self._steps_mask
        wanted: cython.uint = state << 16 | word
        if word:
            while self._froms[slot]:
                if self._froms[slot] == wanted:
                    return self._tos[slot]
                slot = (slot + 1) & self._steps_mask
        return self._others[state]

    def _word(
        self,
        p: cython.p_const_uchar,
        begin: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        h: cython.uint,
        any_case: cython.bint,
    ) -> cython.uint:
        """Return the number of the word that stands in p[begin:end] and whose hash is `h`, 0 if it is none."""
        slot: cython.uint = h & self._words_mask
        number: cython.uint = self._words[slot]
        while number:
            if self._hashes[number] == h and self._is_word(number, p, begin, end, any_case):
                return number
            slot = (slot + 1) & self._words_mask
            number = self._words[slot]
        return 0

    def _is_word(
        self,
        number: cython.uint,
        p: cython.p_const_uchar,
        begin: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        any_case: cython.bint,
    ) -> cython.bint:
        words: cython.p_const_uchar = self._octets
        at: cython.Py_ssize_t = self._begins[number]
        if self._begins[number + 1] - at != end - begin:
            return False
        while begin < end:
            if p[begin] != words[at] and not (any_case and 65 <= p[begin] <= 90 and p[begin] + 32 == words[at]):
                return False
            begin += 1
            at += 1
        return True


@cython.cfunc
@cython.exceptval(check=False)
def _major(p: cython.p_const_uchar, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
    """Return the major version that p[begin:end] is, as v2, -1 if it is none; beyond the tables the last of them."""
    if end - begin < 2 or end - begin > LONGEST_VERSION or (p[begin] != 118 and p[begin] != 86):
        return -1
    major: cython.int = 0
    at: cython.Py_ssize_t
    for at in range(begin + 1, end):
        if p[at] < 48 or p[at] > 57:
            return -1
        major = major * 10 + p[at] - 48
    return major if major < MAJOR_VERSIONS else MAJOR_VERSIONS - 1


@cython.cfunc
@cython.exceptval(check=False)
def _is_plain(p: cython.p_const_uchar, begin: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.bint:
    """Tell whether a version is spelled as the APIs do, without a zero before it."""
    return p[begin + 1] != 48 or end - begin == 2


def _nearest(wanted: int, known: Iterable[int]) -> int:
    """Return the known major version nearest to `wanted`, the newer of two as near."""
    return min(known, key=lambda one: (abs(one - wanted), -one))


def _hash(word: bytes) -> int:
    found = 0
    for octet in word:
        found = (found * 31 + octet) & 0x7FFFFFFF
    return found


def _slots(entries: int) -> tuple[list[int], int]:
    """Return a table in which at most a quarter of the places is taken, all free, and the mask of its places."""
    size = 1 << (4 * entries).bit_length()
    return [0] * size, size - 1


def _put(slots: list[int], slot: int, number: int) -> None:
    """Put an entry into its place, or the next free one."""
    while slots[slot]:
        slot = (slot + 1) & (len(slots) - 1)
    slots[slot] = number
