"""The attacher: finds the TLS libraries of running and new processes and attaches the loaded programs to them.

Begun by the keeper, collector/tls_keeper.c. It has CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH alone, to see other
processes' files, reads no payload, and ends when the agent has.
"""

import mmap
import os
import re
import select
import socket
import sys
import time
from contextlib import suppress
from typing import BinaryIO

from collector import c_memory
from collector.record import COUNTER_SLOTS, HTTP2_FOLLOWED, TLS_OFF, TLS_PROBED, TLS_UNSUPPORTED
from collector.tls_attached import FOREIGN_CALLS, TRIAL_S, Attached, Calls, program_of
from collector.tls_closing import Closing
from collector.tls_events import EventRing
from collector.tls_files import Code, FileId, code_of, file_id, is_program, open_code, process_ids
from collector.tls_further import FURTHER, LINKED_S, Further, further_code, hides_bodies
from collector.tls_library import tls_code
from collector.tls_link import reaches_threads
from collector.tls_probing import MOST_FILES, links

LIBRARY = re.compile(r"/lib(?:ssl|gnutls)[^/]*\.so[^/]*$")
OTHER_LIBRARY = re.compile(r"\.so(?:\.[\d.]+)?$")
LEAST_OTHER = 1 << 20  # octets of a library of another name with TLS linked into it; BoringSSL alone has twice as many
MOST_SEEN = 65_536  # files looked at and not to be looked at again
LOOK_S = 1.0
GATHER_S = 0.002  # a program that starts maps its libraries one after another
AGAIN_S = 0.004  # while a program is being linked
IDLE_S = 3_600.0
EPOCH_S = 600.0  # of the word in TLS_PROBED
ANEW_S = 600.0  # who has let a file go alone is tried again: it may serve SBI beside much else
# Processes for which alone files come to be probed at a time, a millisecond each: when all are looked at, as one maps
# such a file. Where more come in a second they wait for the next look at all.
MOST_LOOKED, MOST_NEW = 256, 32

UNSEEN = Attached(-1)


class Attacher:
    """Knows the files of this node that have TLS code in them."""

    def __init__(self, descriptors: dict[str, int]) -> None:
        """Map what the kernel side shares. Raises OSError."""
        self._programs = descriptors
        self._calls = Calls(_words(descriptors["tls_uses"], MOST_FILES * 4))
        self._counters = _words(descriptors["counters"], COUNTER_SLOTS)
        self._counters[TLS_PROBED] = self._counters[HTTP2_FOLLOWED] = 0  # the probes of an attacher end with it
        self._closing = Closing()
        self._may_watch = MOST_NEW  # processes, before the next second
        self._files: dict[FileId, Attached] = {}
        self._seen: dict[object, Attached | None] = {}  # None: nothing of TLS in it
        self._further = Further(descriptors["shown_processes"], self._counters)
        self._is_missed = False  # a process was gone before it could be asked, or came with too many
        self._missed_s = -TRIAL_S  # when all were looked at for that,
        self._looked_s = -TRIAL_S  # or for whatever
        self.is_off = False  # back-off wants nothing probed

    def scan(self) -> None:
        """Look at every process."""
        self._looked_s = time.monotonic()
        for process_id in process_ids():
            self.look_at(process_id)

    def look_at(self, process_id: int) -> None:
        """Look at what a process runs."""
        for code in code_of(process_id):
            self.look(code, code.inode)

    def look(self, code: Code, file_name: object) -> None:
        """Look at a file, unless it was looked at before by this name and path: it is probed, or has no TLS in it.

        A path and a number of an inode are another file's in another mount namespace: there disks may be cloned.
        """
        if FURTHER.search(code.path):
            self._look_further(code, file_name, time.monotonic() + LINKED_S)
            return
        is_library, is_other = LIBRARY.search(code.path), OTHER_LIBRARY.search(code.path)
        name = (mounts_of(code.process_id), code.path, file_name)
        found = self._seen.get(name, UNSEEN)
        if found is not None and found is not UNSEEN:
            self._further.drop(code.process_id)
        if found is None or (found is not UNSEEN and found.links):
            return
        if not is_library and not is_other and not is_program(code):
            return
        file = open_code(code)
        if file is None:
            return
        with file:
            if not is_library and is_other and os.fstat(file.fileno()).st_size < LEAST_OTHER:
                self._remember(name, None)
            elif self._open(file, name, code.process_id, is_further=False):
                self._further.drop(code.process_id)

    def look_again(self) -> None:
        """Look at what was mapped by programs that were not linked yet."""
        for (code, file_name), until_s in self._further.take_early().items():
            self._look_further(code, file_name, until_s)

    def _look_further(self, code: Code, file_name: object, until_s: float) -> None:
        """Look at a libnghttp2 for a process that maps it: another one, or none, may need it."""
        name = (mounts_of(code.process_id), code.path, file_name)
        if self._seen.get(name, UNSEEN) is None:
            return
        if code.process_id not in self._further and (
            self._further.is_early(code, file_name, until_s) or not self._needs_further(code.process_id)
        ):
            return
        file = open_code(code)
        if file is None:
            return
        with file:
            self._further.begin()
            known = self._open(file, name, code.process_id, is_further=True)
            if known:
                self._further.add(code.process_id, known)
            else:
                self._further.let_go(self._files.values())

    def _needs_further(self, process_id: int) -> bool:
        """Tell whether a process runs nothing that shows its TLS, and hands whole exchanges to libnghttp2."""
        mounts, codes = mounts_of(process_id), list(code_of(process_id))
        if not codes:
            self._is_missed = True  # gone by now; it may have left children, of which no mapping tells
        if not any(FURTHER.search(code.path) for code in codes):
            return False
        program = mounts, "bodies", codes[0].path
        if program in self._seen:
            return False
        for code in codes:
            if not FURTHER.search(code.path):
                self.look(code, code.inode)
                if self._seen.get((mounts, code.path, code.inode)):
                    return False
        if hides_bodies(codes):
            self._tell_unfollowed(codes[0].path, "it sends bodies past libnghttp2")
            self._remember(program, None)
            return False
        return True

    def _open(self, file: BinaryIO, name: object, process_id: int, is_further: bool) -> Attached | None:
        """Return what is known of an open file, probed if it may be now; None if it has nothing to be probed."""
        path, identity = f"/proc/self/fd/{file.fileno()}", file_id(file.fileno())
        known = self._files.get(identity)
        if known is None:
            new = self._calls.numbered(is_further)
            if new is None:
                self._counters[TLS_UNSUPPORTED] += 1
            elif self._attach(new, path):
                self._files[identity] = known = new
            else:
                self._calls.give_back(new)
        elif not known.links:
            self._open_again(known, path, process_id)
        self._remember(name, known)
        return known

    def _open_again(self, file: Attached, path: str, process_id: int) -> None:
        """Probe a file that is not: if others' calls have let it go, for this process alone: they meet no probes."""
        if not file.is_foreign:
            if time.monotonic() - file.since_s > TRIAL_S:
                self._attach(file, path)
        elif process_id not in file.alone:
            may = self._may_watch and not file.has_enough and program_of(process_id)
            its = self._calls.numbered(process_id=process_id) if may else None
            if its is None:
                self._is_missed = True
            else:
                self._may_watch -= 1
                its.code = file.code
                file.alone[process_id] = its
                self._attach(its, path)

    def _remember(self, name: object, file: Attached | None) -> None:
        if len(self._seen) >= MOST_SEEN:
            self._seen.pop(next(iter(self._seen)))
        self._seen[name] = file

    def _attach(self, file: Attached, path: str) -> bool:
        """Attach to what the file has of TLS; False if that is nothing, or not possible, which is counted."""
        self._closing.wait()  # else a call might meet both
        self._calls.begin(file)
        self._counters[TLS_PROBED] = epoch()  # before the first call comes
        try:
            if not file.process_id:
                with open(path, "rb") as code:  # noqa: PTH123  (/proc/self/fd)
                    file.code = tuple(further_code(code) if file.is_further else tls_code(code))
            for found in file.code:
                file.links += links(self._programs, found, file.number, path, file.process_id)
        except ProcessLookupError:  # for which alone it was to be probed
            self._is_missed = True
        except Exception as error:  # noqa: BLE001  (anybody's file: whatever it leads to, others are looked at)
            self._tell_unfollowed(os.path.realpath(path), str(error) or repr(error))
        self._calls.begun(file)
        if not file.links:
            self._detach(file)
            self._tell_probed()
        return bool(file.links)

    def _tell_unfollowed(self, what: str, why: str) -> None:
        self._counters[TLS_UNSUPPORTED] += 1
        print(f"sbiscope: TLS of {what} is not followed: {why}", file=sys.stderr, flush=True)

    def let_go(self) -> None:
        """Detach from files that serve no SBI, and from a libnghttp2 that no living process needs.

        A file that is let go is probed for each process that maps it alone: who called was not all of them, maybe.
        """
        self._may_watch = MOST_NEW
        if self._further.drop_dead() or self._has_missed():
            self._look_at_all()
        is_left = False
        for file in list(self._files.values()):
            self._let_go_alone(file)
            if not file.links:
                continue
            if file.is_further and self._calls.unjudged(file) >= FOREIGN_CALLS:
                self._further.drop_cleartext()
            if self._calls.let_go(file):
                self._detach(file)
                if not file.is_further and reaches_threads():
                    file.is_foreign = is_left = True
            elif file.is_further and not self._further.is_needed(file):
                self._detach(file)
                file.since_s = -TRIAL_S  # the next process that needs it has it at once
        if is_left:
            self._look_at_all()
        self._further.let_go(self._files.values())
        self._tell_probed()
        self._closing.begin()

    def _look_at_all(self) -> None:
        self._may_watch = MOST_LOOKED
        self.scan()
        self._may_watch = MOST_NEW

    def _let_go_alone(self, file: Attached) -> None:
        """Do the same for each process for which alone a file is probed; forget who is gone, look at who is forked.

        A process that runs another program now is another one.
        """
        wanted: list[int] = []
        for process_id, its in list(file.alone.items()):
            program = program_of(process_id)
            if not program or program != its.program:
                self._is_missed |= bool(its.links)  # it may have left children
                self._drop_alone(file, process_id)
                wanted += [process_id] if program else []
            elif its.links:
                wanted += its.new_children()
                if self._calls.let_go(its):
                    self._detach(its)
            elif time.monotonic() - its.since_s > ANEW_S:
                self._drop_alone(file, process_id)
                wanted.append(process_id)
        most = self._may_watch
        self._is_missed |= len(wanted) > most
        for process_id in wanted[:most]:
            self.look_at(process_id)

    def _drop_alone(self, file: Attached, process_id: int) -> None:
        its = file.alone.pop(process_id)
        self._detach(its)
        self._calls.give_back(its)

    def _has_missed(self) -> bool:
        """Tell whether all processes are to be looked at, each of two causes once a minute at most.

        One was gone before it could be asked, or came with too many; or a file is let go and nobody has looked for as
        long: what a thread other than the first has forked is not told of.
        """
        now_s = time.monotonic()
        if self.is_off:
            return False
        if self._is_missed and now_s - self._missed_s >= TRIAL_S:
            self._is_missed, self._missed_s = False, now_s
            return True
        return now_s - self._looked_s >= TRIAL_S and any(file.is_foreign for file in self._files.values())

    def obey(self) -> None:
        """Take every probe off where the supervisor's back-off wants it, and probe again once it does not."""
        was_off, self.is_off = self.is_off, bool(self._counters[TLS_OFF])
        if self.is_off:
            self._further.take_early()  # all are looked at once it ends
            for file in self._files.values():
                for process_id in list(file.alone):
                    self._drop_alone(file, process_id)
                if file.links:
                    self._detach(file)
                file.since_s, file.is_foreign = -TRIAL_S, False  # to be probed again at once
            self._tell_probed()
            self._closing.begin()
        elif was_off:
            self.scan()

    def _detach(self, file: Attached) -> None:
        self._calls.end(file)
        self._closing.add(file.links)

    def _tell_probed(self) -> None:
        self._counters[TLS_PROBED] = epoch() if self.is_probing else 0

    @property
    def pause_s(self) -> float:
        """How long nothing has to be looked at, unless something new is mapped."""
        if self._further.is_awaiting:
            return AGAIN_S
        if self.is_probing or self.is_off or self._is_missed:
            return LOOK_S
        return TRIAL_S if any(file.is_foreign for file in self._files.values()) else IDLE_S

    @property
    def is_probing(self) -> bool:
        """Whether any file is probed."""
        return any(one.links for file in self._files.values() for one in (file, *file.alone.values()))


def epoch() -> int:
    """Return what tells the kernel side that libraries are probed: threads silent for two of these are forgotten."""
    return 2 + int(time.monotonic() / EPOCH_S)


def follow(attacher: Attacher, control: socket.socket, events: dict[int, EventRing]) -> None:
    """Follow the node's new mappings until the other end of `control` closes."""
    poll = select.epoll()
    for descriptor in (control.fileno(), *events):
        poll.register(descriptor, select.EPOLLIN)
    attacher.scan()
    with suppress(BrokenPipeError):  # the agent has ended meanwhile
        control.send(b".")
    c_memory.give_back()
    own_code = c_memory.let_go_of_code()
    looked_s = time.monotonic()
    while True:
        woken_by = [descriptor for descriptor, _ in poll.poll(attacher.pause_s)]
        if control.fileno() in woken_by:
            return
        attacher.look_again()
        if woken_by:
            time.sleep(GATHER_S)
        for descriptor in woken_by:
            for mapped in events[descriptor].read():
                if attacher.is_off:
                    continue  # all are looked at once it ends
                if mapped is None:
                    attacher.scan()
                else:
                    code = Code(mapped.process_id, mapped.path, mapped.file[2])
                    attacher.look(code, mapped.file)
        if time.monotonic() - looked_s >= LOOK_S:
            looked_s = time.monotonic()
            attacher.let_go()
            attacher.obey()
            c_memory.let_go(own_code)


def mounts_of(process_id: int) -> str:
    """Return the name of a process's mount namespace, "" of one that is gone."""
    try:
        return os.readlink(f"/proc/{process_id}/ns/mnt")  # noqa: PTH115  (an eighth of the time)
    except OSError:
        return ""


def _words(descriptor: int, slots: int) -> memoryview:
    size = -(-slots * 8 // mmap.PAGESIZE) * mmap.PAGESIZE
    return memoryview(mmap.mmap(descriptor, size, mmap.MAP_SHARED)).cast("Q")


def run(control: int, descriptors: dict[str, int]) -> None:
    """Be an attacher until the agent ends. Raises OSError."""
    # Perf's rings are not inherited: each attacher maps them itself.
    events = {one: EventRing(one) for name, one in descriptors.items() if name.startswith("cpu")}
    follow(Attacher(descriptors), socket.socket(fileno=control), events)
