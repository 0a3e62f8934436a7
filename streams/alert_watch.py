"""One rule on one key: what its windows say, held against those before, and when that is raised or cleared.

A key's usual value is the larger of two medians: of the windows just before that were not bad, and of this hour of the
day on the days before. The second is a frugal one (Ma, Muthukrishnan, Sandler 2013): it steps up or down by a share
with each window, whatever that is, so that one day's hour moves it by a factor of two at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

import msgspec

from streams.alert_rules import Kpi, Rule, is_measured, measured, observed

HOUR_US = 3_600_000_000
SEASON = 24  # hours of the day, UTC
SLACK = 1  # windows shown last of which more may be told yet
VOUCHED = 0.5  # completeness under which a window cannot show that all is well
VERSION_US = 10_000_000


class Change(Enum):
    """What a window does to an alert."""

    NONE = 0
    RAISED = 1
    CLEARED = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one window says: None where it is too thin to say anything, or lies between both thresholds."""

    is_bad: bool | None
    observed: float
    threshold: float


class Watch(msgspec.Struct, array_like=True):
    """Where a rule stands on a key. `version` odd = raised; `streak` = windows in a row against that."""

    version: int = 0
    streak: int = 0
    raised_us: int = 0
    severity: str = ""  # that it was raised with: the rule may have another by now
    heard_us: int = -1  # start of the last window that held what is waited for
    values: list[float] = msgspec.field(default_factory=list)  # of the windows before
    season: list[float] = msgspec.field(default_factory=list)  # by hour of the day, below 0 = not known yet
    hour: int = -1  # since the epoch, that of the last window
    moving: float = 0.0  # what the season will have of that hour when it is over
    lasted: int = 0  # bad windows since it was raised

    @property
    def is_raised(self) -> bool:
        """Tell whether the alert stands."""
        return self.version % 2 == 1

    def usual(self, start_us: int) -> float:
        """Return what is usual for a window that begins then."""
        hour = self.season[start_us // HOUR_US % SEASON] if self.season else 0.0
        return max(median(self.values), hour)

    def learn(self, rule: Rule, value: float) -> None:
        """Let a window that was not bad be part of what is usual."""
        self.values = [*self.values, value][-rule.baseline :]

    def learn_season(self, rule: Rule, start_us: int, value: float) -> None:
        """Let any window move what will be usual at its hour of the day, from tomorrow on."""
        hour = start_us // HOUR_US
        if hour != self.hour:
            self.season = self.season or [-1.0] * SEASON
            if self.hour >= 0:
                self.season[self.hour % SEASON] = self.moving
            known = self.season[hour % SEASON]
            self.hour, self.moving = hour, known if known > 0 else median(self.values)
        step = 2 ** (rule.window_s / 3_600)
        if value != self.moving:
            up = self.moving * step if self.moving > 0 else value
            self.moving = up if value > self.moving else self.moving / step

    def judge(self, rule: Rule, kpi: Kpi) -> Verdict:
        """Return what the next window of the key says, and learn from it."""
        start_us, value = kpi["window_start_us"], observed(rule, kpi)
        if rule.absent_after:
            return self._hear(rule, start_us, value)
        if rule.baseline and len(self.values) < rule.baseline:
            verdict = Verdict(None, value, 0.0)
        else:
            verdict = _judged(rule, kpi, value, rule.above * (self.usual(start_us) if rule.baseline else 1.0))
        if rule.baseline and kpi["completeness"] >= VOUCHED and is_measured(rule, kpi):
            self.lasted += bool(verdict.is_bad) and self.is_raised
            if not verdict.is_bad:
                self.learn(rule, value)
            if rule.seasonal and self.values:
                self.learn_season(rule, start_us, value)
        return verdict

    def _hear(self, rule: Rule, start_us: int, value: float) -> Verdict:
        """Note a window of what may not stay away: anything at all is a sign of life, however little it is.

        Who comes so seldom that his absence would be told between two of his windows is not waited for.
        """
        if value > 0:
            if start_us - self.heard_us > rule.absent_after * rule.window_s * 1_000_000:
                self.values = []
            self.heard_us = start_us
            self.learn(rule, value)
        return Verdict(False if value > 0 else None, value, 0.0)

    def has_lasted(self, rule: Rule) -> bool:
        """Tell whether what was raised has gone on for so long that it is what is usual by now."""
        return self.is_raised and bool(rule.usual_after) and self.lasted >= rule.usual_after

    def is_absent(self, rule: Rule, shown_us: Sequence[int]) -> bool:
        """Tell whether what a rule waits for stayed away in the windows told last, each after the other.

        `shown_us`: the starts of those that its writer told of its node, in order; more may be told of the last one.
        What was last heard of rarely may well stay away.
        """
        if self.is_raised or len(self.values) < rule.baseline or median(self.values) < rule.least:
            return False
        last = shown_us[-rule.absent_after - SLACK :]
        whole = (rule.absent_after + SLACK - 1) * rule.window_s * 1_000_000
        return len(last) == rule.absent_after + SLACK and last[-1] - last[0] == whole and last[0] > self.heard_us

    def is_idle(self, rule: Rule, last_us: int, end_us: int) -> bool:
        """Tell whether an alert stands of a key whose last window began at `last_us`, too long before `end_us`."""
        since_us = max(last_us, self.raised_us)
        return self.is_raised and end_us - since_us > rule.idle_after * rule.window_s * 1_000_000

    def step(self, rule: Rule, verdict: Verdict, end_us: int) -> Change:
        """Go on by one window: raised after so many bad ones in a row, cleared after so many good ones."""
        if verdict.is_bad is None or verdict.is_bad == self.is_raised:
            self.streak = 0
            return Change.NONE
        self.streak += 1
        if self.streak < (rule.clear_after if self.is_raised else rule.raise_after):
            return Change.NONE
        return self.turn(rule, end_us)

    def turn(self, rule: Rule, end_us: int) -> Change:
        """Raise what was clear, clear what was raised. The version is a time, so it rises though we forget a key."""
        self.streak = self.lasted = 0
        self.version = max(version_at(end_us, not self.is_raised), self.version + 1)
        if not self.is_raised:
            return Change.CLEARED
        self.raised_us, self.severity = end_us, rule.severity
        return Change.RAISED


def version_at(event_us: int, is_raised: bool) -> int:
    """Return the version of an alert that is raised or cleared at a time: higher than any before it."""
    return 2 * (event_us // VERSION_US) + is_raised


def _judged(rule: Rule, kpi: Kpi, value: float, threshold: float) -> Verdict:
    is_thin = measured(rule.volume or rule.per or rule.value, kpi) < rule.least
    if value > threshold and not is_thin:
        return Verdict(True, value, threshold)
    is_well = value <= threshold * rule.clear_below or (is_thin and bool(rule.baseline))
    return Verdict(False if is_well and kpi["completeness"] >= VOUCHED else None, value, threshold)
