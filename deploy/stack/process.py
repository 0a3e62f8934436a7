"""One part of the stack as a process: started, watched, started again when it dies, stopped; its log kept short."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.stack.state import PartState

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
IN_A_ROW = 8  # deaths without a calm time between them: 90 s of trying, a broker is back in 4
CALM_S = 30.0
START_S = 60.0
LOOK_S = 2.0  # between two looks at a part that answered
LOG_BYTES = 5_000_000

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Part:
    """What is to run: `command` and `stdin` are asked at each start, `answers` says whether it serves."""

    name: str
    port: int
    command: Callable[[], list[str]]
    answers: Callable[[], bool]
    stdin: Callable[[], bytes] = bytes
    stop_s: float = 20.0


@dataclass(slots=True)
class Watched:
    """A part and its process. `clock` is monotonic seconds."""

    part: Part
    log: Path
    environment: Mapping[str, str]
    state: PartState
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    since: float = 0.0
    looked: float = 0.0
    clock: Callable[[], float] = field(default=time.monotonic)

    @property
    def is_up(self) -> bool:
        """Whether it answered when last looked at."""
        return self.state.state == "up"

    @property
    def has_failed(self) -> bool:
        """Whether it is given up."""
        return self.state.state == "failed"

    def start(self) -> None:
        """Start the process. Raises what `command` raises (Refusal) and OSError."""
        shorten(self.log)
        words = self.part.command()
        data = self.part.stdin()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE if data else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,  # Ctrl-C in a terminal is for the command, not for the parts
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509 (the supervisor has one thread)
            )
        if self.process.stdin is not None:
            self.process.stdin.write(data)
            self.process.stdin.close()
        self.since = self.clock()
        self.state.state, self.state.pid = "starting", self.process.pid

    def look(self) -> None:
        """See how it is, and do what follows: start it again after a pause, or give it up."""
        now = self.clock()
        if self.has_failed or (self.process is None and now < self.since):
            return
        if self.process is None:
            self.state.restarts += 1
            self._started()
        elif self.process.poll() is not None:
            self._died(ended(self.process.returncode))
        elif not self.is_up or now - self.looked >= LOOK_S:
            self._ask(now)

    def _started(self) -> None:
        try:
            self.start()
        except Exception as error:  # noqa: BLE001 (whatever it is: told, and tried again)
            self._died(str(error))

    def _ask(self, now: float) -> None:
        self.looked = now
        if self.part.answers():
            if not self.is_up:
                self.state.state, self.since = "up", now
            if now - self.since > CALM_S:
                self.deaths = 0
        elif self.is_up:
            self.state.state, self.since = "not answering", now
        elif self.state.state == "starting" and now - self.since > START_S:
            self.kill()
            self._died(f"did not answer in {START_S:.0f} s")

    def _died(self, how: str) -> None:
        self.deaths += 1
        self.process, self.state.pid = None, 0
        self.state.told = f"{how}: {last_line(self.log)}".removesuffix(": ")
        if self.deaths >= IN_A_ROW:
            self.state.state = "failed"
            self.state.told = f"given up after {self.deaths} deaths in a row, {self.state.told}"
        else:
            self.state.state = "restarting"
            pause_s = min(FIRST_PAUSE_S * 2 ** (self.deaths - 1), LONGEST_PAUSE_S)
            self.since = self.clock() + pause_s
            self._note(f"{how}; it is started again in {pause_s:g} s")

    def _note(self, text: str) -> None:
        """Write a line of ours into the part's log: a process ended by a signal says nothing itself."""
        with suppress(OSError), self.log.open("a") as log:
            log.write(f"sbiscope: {self.part.name} {text}\n")

    def stop(self) -> None:
        """End it in order; by force when it takes too long."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(self.part.stop_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process, self.state.pid, self.state.state = None, 0, "stopped"

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def ended(status: int) -> str:
    """Return how a process ended, in words, of its `returncode`."""
    if status >= 0:
        return f"ended with {status}"
    known = {one.value: one.name for one in signal.Signals}
    return f"was ended by {known.get(-status, f'signal {-status}')}"


def die_with(parent: int) -> Callable[[], None]:
    """Return what a child does first: let the kernel kill it when the supervisor dies, however that dies."""

    def bind() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return bind


def shorten(log: Path) -> None:
    """Set a long log aside as `….1`; whoever writes it goes on writing."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def last_line(log: Path) -> str:
    """Return the last line of a log, short and printable; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 4_096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    text = lines[-1] if lines else ""
    return "".join(c if c.isprintable() else " " for c in text)[:300]
