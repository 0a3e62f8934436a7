"""What a process says of its own death: where and of what kind, never the error's text: it may hold an identifier."""

import sys
import traceback
from types import TracebackType

STATUS = 70  # EX_SOFTWARE of sysexits.h


def last_words(error: BaseException) -> str:
    """Return the traceback of an error and of what led to it, with the kinds of the errors and without their texts."""
    told = []
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        told.append(f"{''.join(traceback.format_tb(link.__traceback__))}{type(link).__name__} (its text is not told)\n")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(reversed(told))


def tell_no_texts() -> None:
    """Let what ends this process unforeseen be told by `last_words`, and what is raised where nobody can take it."""

    def hook(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        sys.stderr.write(last_words(error))

    def unraisable(found: "sys.UnraisableHookArgs") -> None:
        if found.exc_value is not None:
            sys.stderr.write(last_words(found.exc_value))

    sys.excepthook = hook
    sys.unraisablehook = unraisable
