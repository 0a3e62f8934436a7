"""What others import into the agent's processes, which live long, and nobody there uses: read on first use, or never.

`dataclasses` brings `inspect` and with it the parsers of Python's own language, for classes without a docstring;
msgspec brings what describes its types, and `typing_extensions`, whose names it finds in `typing`; subprocess and
calendar bring `locale`, for other languages; hashlib and hmac bring OpenSSL, 4 MB for what a
few lines of C do, a pseudonym at a time: they find it missing, as in some builds of Python.
"""

import sys
from importlib import import_module
from types import ModuleType

ON_FIRST_USE = ("inspect", "locale", "msgspec.inspect")
NEVER = ("typing_extensions", "_hashlib")


class Later(ModuleType):
    """A module of Python's that is imported by the first look into it (importlib's own kind is, by every import)."""

    def __getattr__(self, name: str) -> object:
        """Return what the real module has. Raises AttributeError, ImportError (no file can be read)."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def leave_out() -> None:
    """Let this process do without, for good; what is imported already stays. To be called by a process's own entry."""
    for name in ON_FIRST_USE:
        sys.modules.setdefault(name, Later(name))
    for name in NEVER:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
