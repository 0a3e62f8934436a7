"""How the agent captures less when it costs more than it may: steps up fast, steps down slowly, each one announced.

Bodies go first: a call's first bytes hold the headers, what is cut is a gap of known length. Then whole connections,
chosen by their ports, so that both ends of one agree. TLS costs its programs a trap for each call, whatever is copied:
what helps them is that nobody probes.
"""

from dataclasses import dataclass

PATIENCE_S = 5  # above the budget in a row, then one step up
HURRY_S = 2  # likewise above HURRY budgets, or losing records for want of room in the ring
HURRY = 2.0
CALM_S = 60  # below CALM of the budget in a row, then one step down
CALM = 0.6
MOST_CALM_S = 960  # twice as long each time that a step down was one too many


@dataclass(frozen=True, slots=True)
class Step:
    """`copied_bytes`: most of one call, 0 = all; `one_in`: connections captured, a power of two, 0 = each.

    `is_tls_off`: no TLS library is probed.
    """

    copied_bytes: int
    one_in: int
    text: str
    is_tls_off: bool = False


STEPS = (
    Step(0, 0, "everything is captured"),
    Step(8_192, 0, "8 KiB of each call are captured"),
    Step(2_048, 0, "2 KiB of each call are captured"),
    Step(2_048, 2, "2 KiB of each call of one connection in 2"),
    Step(2_048, 8, "2 KiB of each call of one connection in 8"),
    Step(2_048, 64, "2 KiB of each call of one connection in 64"),
    Step(2_048, 64, "2 KiB of each call of one connection in 64; TLS is not followed", is_tls_off=True),
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What the agent may cost, in CPUs and bytes; `full_node_cpu`: while the node is full. 0 = no budget."""

    cpu: float
    memory_bytes: int
    full_node_cpu: float = 0.0

    def used(self, cpu: float, memory_bytes: int, is_full: bool = False) -> float:
        """Return the share that is used, of whichever budget is used most."""
        budget = min(self.cpu, self.full_node_cpu) if is_full and self.full_node_cpu else self.cpu
        cpu_share = cpu / budget if budget else 0.0
        memory_share = memory_bytes / self.memory_bytes if self.memory_bytes else 0.0
        return max(cpu_share, memory_share)


@dataclass(slots=True)
class BackOff:
    """The step in force; told once a second what the agent used in it."""

    budget: Budget
    step: int = 0
    taken: int = 0  # steps up so far
    _above_s: int = 0
    _hurried_s: int = 0
    _calm_s: int = 0
    _calm_wait_s: int = CALM_S
    _since_down_s: int = CALM_S
    _was_full: bool = False

    def second(self, cpu: float, memory_bytes: int, is_losing: bool = False, is_full: bool = False) -> Step:
        """Take note of one second; return the step that is in force from now on.

        `is_full`: little of the node's CPU time was idle.

        `is_losing`: the ring had no room for some of it. On a full machine the agent, being nice, gets too little CPU
        to exceed its budget: then connections left out whole are better than holes in all of them.
        """
        used = self.budget.used(cpu, memory_bytes, is_full)
        is_losing = is_losing and self.budget.cpu > 0
        self._above_s = self._above_s + 1 if used > 1 or is_losing else 0
        self._hurried_s = self._hurried_s + 1 if used > HURRY or is_losing else 0
        # What a full node does not bear is no calm either: capturing less may be what made room on it.
        is_calm = self.budget.used(cpu, memory_bytes, is_full or self._was_full) < CALM and not is_losing
        self._calm_s = self._calm_s + 1 if is_calm else 0
        self._since_down_s += 1
        if self._since_down_s == CALM_S:  # it was right
            self._calm_wait_s = CALM_S
        is_due = self._above_s >= PATIENCE_S or self._hurried_s >= HURRY_S
        if is_due and self.step < len(STEPS) - 1:
            self._up(is_full)
        elif self._calm_s >= self._calm_wait_s and self.step:
            self._down()
        return STEPS[self.step]

    def _up(self, is_full: bool) -> None:
        if self._since_down_s < CALM_S:
            self._calm_wait_s = min(2 * self._calm_wait_s, MOST_CALM_S)
        self._since_down_s = CALM_S
        self._was_full = self._was_full or is_full
        self.taken += 1
        self._move(1)

    def _down(self) -> None:
        self._move(-1)
        self._since_down_s = 0
        self._was_full = self._was_full and self.step > 0

    def _move(self, by: int) -> None:
        self.step += by
        self._above_s = self._hurried_s = self._calm_s = 0
