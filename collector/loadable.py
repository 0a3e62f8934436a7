"""A hook's programs ready for the kernel: where their maps are, and their instructions, from bcc or as kept before."""

import os
import resource
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any

from collector.bpf_calls import create_map, load_program, map_form, put_program
from collector.translation import Translation, bound, maps_of, translation_of


class Verified(Thread):
    """A program before the verifier."""

    def __init__(self, name: str, instructions: bytes, kind: int, attach_type: int) -> None:
        super().__init__(daemon=True)
        self._program = name, instructions, kind, attach_type
        self._loaded: int | Exception = -1

    def run(self) -> None:
        """Load it."""
        try:
            self._loaded = load_program(*self._program)
        except Exception as error:  # noqa: BLE001  (raised again for who asks for the program)
            self._loaded = error

    def descriptor(self) -> int:
        """Wait for the verifier and return the program's descriptor. Raises OSError, and what else went wrong."""
        self.join()
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


class Loadable:
    """Programs that may be loaded, over maps that exist."""

    def __init__(self, maps: Mapping[str, int], programs: Mapping[str, bytes]) -> None:
        """Take maps by descriptor, and the instructions of programs that name them so."""
        self._maps = maps
        self._programs = programs
        self._begun: dict[str, Verified] = {}

    def map(self, name: str) -> int:
        """Return a map's descriptor. Raises KeyError."""
        return self._maps[name]

    def begin(self, name: str, kind: int, attach_type: int = 0) -> None:
        """Let the verifier have a program that `load` is asked for later: each takes it a tenth of a second."""
        self._begun[name] = Verified(name, self._programs[name], kind, attach_type)
        self._begun[name].start()

    def load(self, name: str, kind: int, attach_type: int = 0) -> int:
        """Load a program and return its descriptor. Raises OSError where the verifier or the kernel refuse it."""
        begun = self._begun.pop(name, None)
        return begun.descriptor() if begun is not None else load_program(name, self._programs[name], kind, attach_type)

    def put(self, array: str, place: int, program: int) -> None:
        """Let tail calls to `place` of the map `array` reach a loaded program. Raises OSError."""
        put_program(self._maps[array], place, program)

    def translation(self) -> Translation:
        """Return what may be kept of it."""
        return translation_of(self._programs, map_form)


def compiled(program: Any, names: Iterable[str]) -> Loadable:
    """Return the named programs as a bcc.BPF made them, over its maps."""
    programs = {name: program.dump_func(name.encode()) for name in names}
    maps = {map_form(descriptor).name: descriptor for descriptor in maps_of(programs)}
    return Loadable(maps, programs)


def made_anew(translation: Translation) -> Loadable:
    """Return what was kept, over maps of its own. Raises OSError; IndexError where it is broken."""
    with suppress(OSError, ValueError):  # before Linux 5.11 maps count as locked memory
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    descriptors: list[int] = []
    try:
        descriptors.extend(create_map(form) for form in translation.maps)
        programs = bound(translation, descriptors)
    except (OSError, IndexError):
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    names = (form.name for form in translation.maps)
    return Loadable(dict(zip(names, descriptors, strict=True)), programs)
