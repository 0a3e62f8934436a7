"""The command that starts a process of the agent: one module's `main`, in a Python without what none of them uses.

Not by `-m`, whose module runpy brings 0.9 MB that stay for good. Without `site`, whose paths the starter hands on, and
without the working directory, where anybody's files may lie. The columns of a traceback are left out: a traceback is
told by its lines.
"""

import sys

WORDS = ("-S", "-P")
START = "import sys; del sys.argv[0]; __import__(sys.argv[0], fromlist=['main']).main()"


def command(module: str, *words: str) -> list[str]:
    """Return the command line: `module` stands in its sys.argv[0], `words` behind it."""
    return [sys.executable, *WORDS, "-c", START, module, *words]
