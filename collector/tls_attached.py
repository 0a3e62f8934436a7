"""A file with TLS code in hand: its number and links, what calls the kernel side counts of it, when it is let go."""

import os
import time

from collector.record import IGNORED, SBI
from collector.tls_library import TlsCode
from collector.tls_probing import MOST_FILES

PROBED = 3  # of bpf/tls_sockets.c: place of a file beside its verdicts
PROBED_MASK = 0xFFFF_FFFF
VERDICTS = (0, SBI, IGNORED)
LEFT_FREE = MOST_FILES // 2  # numbers, by processes for which alone a file is probed
FOREIGN_CALLS = 200  # so many calls, none of them SBI's: the file serves something else
TRIAL_S = 60.0  # a file that has served SBI has so long to do so again; nothing is tried again more often
# For how many processes alone a file is probed at a time: each call of one of them passes the links of all, 0.09 us a
# process.
MOST_ALONE = 64


class Attached:
    """A file in hand, or a file as one process has it: its links while it is probed, and since when.

    `is_foreign`: others' calls have let it go. Then it is probed for processes `alone`, those aside that have let it go
    again: they stay there without links.
    """

    def __init__(self, number: int, is_further: bool = False, process_id: int = 0) -> None:
        """`is_further`: it is a libnghttp2; `process_id`: for which alone it is probed, 0 = all."""
        self.number = number
        self.is_further = is_further
        self.process_id = process_id
        self.program = program_of(process_id) if process_id else ""
        self.is_foreign = False
        self.links: list[int] = []
        self.since_s = 0.0
        self.calls = [0, 0, 0]  # by verdict, when it was attached
        self.code: tuple[TlsCode, ...] = ()  # what was last found in it
        self.alone: dict[int, Attached] = {}
        self._children: frozenset[str] = frozenset()

    @property
    def has_enough(self) -> bool:
        """Whether it is probed for as many processes alone as it may be."""
        return sum(bool(its.links) for its in self.alone.values()) >= MOST_ALONE

    def new_children(self) -> list[int]:
        """Return what the process's first thread has forked since the last call.

        The kernel tells of a mapping, not of its copy.
        """
        try:
            with open(f"/proc/{self.process_id}/task/{self.process_id}/children") as said:  # noqa: PTH123
                children = frozenset(said.read().split())
        except OSError:
            return []
        new, self._children = children - self._children, children
        return [int(one) for one in new]


def program_of(process_id: int) -> str:
    """Return what a process runs, "" if it has ended, whether or not its parent has asked what became of it."""
    try:
        return os.readlink(f"/proc/{process_id}/exe").removesuffix(" (deleted)")  # noqa: PTH115
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError:
        return "?"  # not to be seen, but there


class Calls:
    """The numbers of files, and how often the functions of each moved bytes, by the verdict of the stream."""

    def __init__(self, uses: memoryview) -> None:
        """Begin without any; `uses`: the map that the kernel side counts in, four words a file."""
        self._uses = uses
        for place in range(MOST_FILES * 4):  # an attacher before this one may have numbered the files otherwise
            uses[place] = 0
        self._free = [*range(MOST_FILES - 1, -1, -1)]

    def numbered(self, is_further: bool = False, process_id: int = 0) -> Attached | None:
        """Return a new file with a number; None if too many have one."""
        if len(self._free) <= (LEFT_FREE if process_id else 0):
            return None
        made = Attached(self._free.pop(), is_further, process_id)
        for verdict in VERDICTS:  # of what had the number before
            self._uses[made.number * 4 + verdict] = 0
        return made

    def give_back(self, file: Attached) -> None:
        """Let another file have the number."""
        self._free.append(file.number)

    def begin(self, file: Attached) -> None:
        """Tell the kernel side that a file is about to be probed: streams older than this moved what nobody saw."""
        self._uses[file.number * 4 + PROBED] = time.monotonic_ns() >> 20 & PROBED_MASK or 1

    def begun(self, file: Attached) -> None:
        """Count from now on what tells whether it is foreign."""
        file.since_s = time.monotonic()
        file.calls = self.of(file)

    def end(self, file: Attached) -> None:
        """Tell the kernel side that it is probed no more: who is within a call of it is so no more."""
        self._uses[file.number * 4 + PROBED] = 0
        file.since_s = time.monotonic()

    def of(self, file: Attached) -> list[int]:
        """Return all its calls, by verdict: none yet, SBI, something else."""
        return [self._uses[file.number * 4 + verdict] for verdict in VERDICTS]

    def unjudged(self, file: Attached) -> int:
        """Return its calls without a verdict since it was attached."""
        return self.of(file)[0] - file.calls[0]

    def let_go(self, file: Attached) -> bool:
        """Tell whether it serves no SBI: many calls since it was attached, none of them SBI's.

        One that has ever served SBI has time to: others' calls may all come before the first.
        """
        _, sbi, foreign = self.of(file)
        if foreign - file.calls[2] < FOREIGN_CALLS or sbi > file.calls[1]:
            return False
        return not sbi or time.monotonic() - file.since_s > TRIAL_S
