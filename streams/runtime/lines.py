"""What a worker writes to its log: one line each, and one that repeats is held back and counted."""

import logging
import sys
import time

QUIET_S = 30.0
OURS = "sbiscope"


class Repeats(logging.Filter):
    """Lets a line through once in `QUIET_S`; the next one says how many like it were held back.

    Lines of ours are alike where they say the same; those of libraries, which count and name ports, where they are of
    one form.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written."""
        said = record.getMessage() if record.name == OURS else str(record.msg)
        key = record.name, said[:200]
        at, held = self._seen.get(key, (-QUIET_S, 0))
        now = time.monotonic()
        if now - at < QUIET_S:
            self._seen[key] = at, held + 1
            return False
        if len(self._seen) > 1_000:
            self._seen.clear()
        self._seen[key] = now, 0
        record.held = f" ({held} like it held back)" if held else ""
        return True


class OneLine(logging.Formatter):
    """Time, level, name, message; a traceback is left out but for the exception itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line = f"{stamp} {record.levelname.lower()} {record.name}: {text}{getattr(record, 'held', '')}"
        return "".join(c if c.isprintable() else " " for c in line)


def log_to_stderr(level: int) -> None:
    """Send all loggers' lines of `level` and above to standard error, ours from INFO on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    handler.addFilter(Repeats())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(min(level, logging.INFO))
