"""Whether the dynamic linker has done with a library of a process: all that was loaded with it is mapped then.

It maps libraries one after another, relocates them, and only then takes the right to write from what nothing but
relocation writes. Other work may hold a program up in between for as long as it likes.
"""

from collector.elf import Elf, NotElfError, Segment
from collector.tls_files import Code, Mapping, mappings, open_code

PAGE = 4_096


def is_linked(code: Code) -> bool:
    """Tell it. What leaves nothing to be seen by is taken for linked: no library, a process that is gone."""
    mapped = list(mappings(code))
    file = open_code(code) if mapped else None
    if file is None:
        return True
    with file:
        try:
            elf = Elf(file)
        except (NotElfError, OSError):
            return True
    relocated, first = elf.relocated, elf.segments[:1]
    return not relocated or not first or is_protected(mapped, relocated, first[0])


def is_protected(mapped: list[Mapping], relocated: Segment, first: Segment) -> bool:
    """Tell whether `relocated` cannot be written any more, and what is to stay writable is there already.

    Until the latter is mapped, the place of both is taken by what the file was first mapped with.
    """
    page = relocated.address // PAGE * PAGE
    if (relocated.address + relocated.size) // PAGE * PAGE == page:
        return True  # less than a page is never protected
    at = mapped[0].begin - first.address // PAGE * PAGE + page
    writable = [one for one in mapped if "w" in one.rights]
    return bool(writable) and not any(one.begin <= at < one.end for one in writable)
