"""The alert of a sink that stopped: nothing of what comes can be stored, and it is not the messages' fault.

One partition of a sink is one alarm: it is raised by whoever holds the partition, and cleared by whoever stores of it.
"""

from dataclasses import dataclass
from typing import Any

from schemas.identity import content_id
from streams.alert_row import CLEARED, NEW, OBJECT
from streams.alert_watch import version_at

RULE = "sink_stopped"
SEVERITY, EVENT_TYPE, CAUSE = "critical", "processingError", "corruptData"  # ITU-T X.733


@dataclass(frozen=True, slots=True)
class Alarm:
    """One partition's; `version` odd = raised, 0 = never, as a partition's state keeps it."""

    stage: str
    partition: int
    version: int = 0

    @property
    def is_raised(self) -> bool:
        """Tell whether it stands."""
        return self.version % 2 == 1

    def turned(self, now_us: int) -> "Alarm":
        """Return it raised, or cleared where it stands."""
        version = max(version_at(now_us, not self.is_raised), self.version + 1)
        return Alarm(self.stage, self.partition, version)

    def record(self, now_us: int, raised_us: int, why: str, messages: int, limit: int) -> dict[str, Any]:
        """Return the record Alert of what just happened; `messages`: how many in a row could not be stored."""
        return {
            "alarm_id": content_id(RULE, self.stage, str(self.partition)),
            "version": self.version,
            "notification": NEW if self.is_raised else CLEARED,
            "event_us": now_us,
            "event_type": EVENT_TYPE,
            "probable_cause": CAUSE,
            "perceived_severity": SEVERITY if self.is_raised else "cleared",
            "raised_severity": SEVERITY,
            "specific_problem": RULE,
            "object_instance": f"SbiscopeStage={self.stage},Partition={self.partition}",
            "additional_text": why,
            "window_start_us": now_us,
            "window_s": 0,
            "raised_us": raised_us,
            "cleared_us": None if self.is_raised else now_us,
            "observed": float(messages),
            "threshold": float(limit),
            "kpi_id": "",
            **dict.fromkeys(OBJECT),
            "site": "",
            "node": "",
        }
