"""Which named queries analysts find in the cookbook."""

import re
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent.parent / "schemas" / "clickhouse" / "cookbook.sql"
PERIOD = {"start": "1900-01-01 00:00:00", "stop": "2299-12-31 00:00:00"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One named query; `places`: the names to bind, of them `start` and `stop` have defaults (PERIOD)."""

    name: str
    tells: str
    sql: str

    @property
    def places(self) -> frozenset[str]:
        """Names of the {name:Type} places of the query."""
        return frozenset(re.findall(r"\{([a-z_]+):", self.sql))


def recipes(text: str | None = None) -> dict[str, Recipe]:
    """Return the recipes of the cookbook (or of `text`) by name, in its order."""
    text = FILE.read_text() if text is None else text
    found = re.findall(r"^-- ([a-z0-9_]+): ([^\n]+)\n(SELECT .*?);$", text, re.DOTALL | re.MULTILINE)
    return {name: Recipe(name, tells, sql) for name, tells, sql in found}
