"""What a process says of its own death: where and of what kind, never the error's text: it may hold an identifier."""

import sys
from types import TracebackType

STATUS = 70  # EX_SOFTWARE of sysexits.h


def last_words(error: BaseException) -> str:
    """Return the traceback of an error and of what led to it, with the kinds of the errors and without their texts."""
    told = []
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        told.append(f"{places(link.__traceback__)}{type(link).__name__} (its text is not told)\n")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "".join(reversed(told))


def places(step: TracebackType | None) -> str:
    """Return the lines of a traceback; of no source, which needs files and 0.4 MB of modules."""
    lines = []
    while step is not None:
        code = step.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {step.tb_lineno}, in {code.co_name}\n')
        step = step.tb_next
    return "".join(lines)


def tell_no_texts() -> None:
    """Let what ends this process unforeseen be told by `last_words`, and what is raised where nobody can take it."""

    def hook(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        sys.stderr.write(last_words(error))

    def unraisable(found: "sys.UnraisableHookArgs") -> None:
        if found.exc_value is not None:
            sys.stderr.write(last_words(found.exc_value))

    sys.excepthook = hook
    sys.unraisablehook = unraisable
