"""The agent's parent process: holds the probes, starts observers, says what a process is part of, publishes.

It parses nothing of what the ring brings. When an observer dies, the next one reads on from the same ring.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from collector.attribution import Attribution
from collector.channel import Answer, Ask, Closed, Figures, Loss, Message, Ready, Setup, Stop
from collector.child import Child
from collector.delivery import Delivery
from collector.message import Counters
from collector.probes import Probes
from schemas.refusal import Refusal

WAIT_S = 0.25
EACH_S = 1.0
START_S = 20.0  # until an observer observes
SHORT_LIFE_S = 5.0
MOST_SHORT_LIVES = 5  # in a row: then it is no accident


class Sink(Protocol):
    """Where deliveries go."""

    def deliver(self, delivery: Delivery) -> None:
        """Take one."""

    def poll(self) -> None:
        """Take note of what became of earlier ones."""


@dataclass(slots=True)
class Seen:
    """What is known of the observers so far."""

    incarnation: str = ""
    confined: tuple[str, ...] = ()
    figures: Figures = field(default_factory=lambda: Figures({}, {}, 0, 0, 0, 0))
    deaths: int = 0
    heard_s: float = 0.0


class Supervisor:
    """Runs one agent; `behind` is what was lost between observer and Kafka."""

    def __init__(
        self,
        probes: Probes,
        child: Child,
        setup: Setup,
        attribution: Attribution,
        sink: Sink | None,
        lines: int | None,
        behind: Counters,
    ) -> None:
        """`child`: the first observer, started with all rights of this process, to begin at once. Raises Refusal.

        `sink` takes what observers deliver, `lines` (a descriptor) their JSON lines where there is no sink.
        """
        self._probes = probes
        self._setup = setup
        self._attribution = attribution
        self._sink = sink
        self._lines = lines
        self._behind = behind
        self._told: dict[str, int] = {}
        self._is_stopping = False
        self._short_lives = 0
        self._each_second: list[Callable[[float], None]] = []
        self.seen = Seen()
        self.child = self._begun(child)

    def stop(self) -> None:
        """Let `run` end in order; safe in a signal handler."""
        self._is_stopping = True

    def each_second(self, act: Callable[[float], None]) -> None:
        """Call `act` with the monotonic clock once a second."""
        self._each_second.append(act)

    def run(self) -> None:
        """Serve observers until `stop`. Raises Refusal where they keep dying."""
        due_s = began_s = time.monotonic()
        while not self._is_stopping:
            try:
                self._serve(WAIT_S)
                if time.monotonic() >= due_s:
                    due_s = time.monotonic() + EACH_S
                    self._second()
            except Closed:
                self._replace(time.monotonic() - began_s)
                began_s = time.monotonic()
        self._finish()

    def _begun(self, child: Child) -> Child:
        """Tell an observer what it needs and wait until it observes. Raises Refusal."""
        try:
            child.give(self._probes.maps)
            child.channel.send(self._setup)
            said = child.channel.receive(START_S)
        except (Closed, OSError) as error:
            child.end(1.0)
            raise Refusal("the observer does not start", str(error), "see what it said before") from error
        if not isinstance(said, Ready):
            child.end(0.0)
            raise Refusal("the observer does not start", f"nothing in {START_S:g} s", "is the machine busy?")
        child.settled()
        self.seen.incarnation, self.seen.confined = said.incarnation, said.confined
        self.seen.heard_s = time.monotonic()
        self._told = {}
        return child

    def _serve(self, wait_s: float) -> bool:
        """Take one message; False if none came. Raises Closed."""
        message = self.child.channel.receive(wait_s)
        if message is not None:
            self._take(message)
        return message is not None

    def _take(self, message: Message) -> None:
        if isinstance(message, Delivery):
            if self._sink is not None:
                self._sink.deliver(message)
        elif isinstance(message, Ask):
            self.child.channel.send(Answer(message.number, self._attribution.of(message.caller)))
        elif isinstance(message, Figures):
            self.seen.figures, self.seen.heard_s = message, time.monotonic()
        else:
            raise Closed(f"{type(message).__name__} is not for an observer to say")

    def _second(self) -> None:
        if self._sink is not None:
            self._sink.poll()
        if self._behind.by_reason != self._told:
            self._told = dict(self._behind.by_reason)
            self.child.channel.send(Loss(self._told))
        for act in self._each_second:
            act(time.monotonic())

    def _replace(self, lived_s: float) -> None:
        """Let another observer read on. Raises Refusal where that does not help."""
        status = self.child.end(1.0)
        self.seen.deaths += 1
        self._short_lives = self._short_lives + 1 if lived_s < SHORT_LIFE_S else 0
        if self._short_lives > MOST_SHORT_LIVES:
            raise Refusal("the observer keeps dying", f"exit status {status}", "see what it said before")
        if self._lines is not None:
            os.write(self._lines, b"\n")  # it may have been ended within a line: the next one's do not hang on that
        try:
            self.child = self._begun(Child(self._lines))
        except OSError as error:
            raise Refusal("no further observer can be started", str(error), "let others read the program") from error

    def _finish(self) -> None:
        """Detach, let the observer read what is left and end; what it says until then is taken."""
        self._probes.detach()
        try:
            self.child.channel.send(Stop())
            while self._serve(START_S):
                pass
        except Closed:
            pass
        self.child.end()
