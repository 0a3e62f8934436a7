"""Which modules are compiled, and how `pip` and `make build` compile them (Cython, pure-Python mode)."""

import os
import shutil
import sys

from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

# Ordinary Python files that also compile; each runs uncompiled with the same result, 30 to 100 times slower.
COMPILED = (
    "collector.huffman",
    "collector.selection",
    "collector.hpack_window",
    "collector.literals",
    "collector.hpack",
    "collector.halves",
    "collector.frames",
    "collector.stream",
    "collector.evidence",
    "collector.resync",
    "collector.side",
    "collector.exchanges",
    "collector.header_blocks",
    "collector.bodies",
    "collector.controls",
    "collector.http2",
    "collector.connection",
    "collector.avro",
    "collector.recent",
    "collector.blake2b",
    "collector.suspicion",
    "collector.redaction",
    "collector.percent",
    "collector.uri",
    "collector.identifiers",
    "collector.target_identifiers",
    "collector.json_members",
    "collector.multipart",
    "collector.text_weight",
    "collector.nf_profile",
    "collector.document_facts",
    "collector.body",
    "collector.resource",
    "collector.subject",
    "collector.references",
    "collector.http_date",
    "collector.header_text",
    "collector.other_headers",
    "collector.sbi_headers",
    "collector.asked",
    "collector.hop",
    "collector.path_templates",
    "collector.catalogue",
    "collector.callbacks",
    "collector.inventory",
    "collector.network_function",
    "collector.request_target",
    "collector.asking",
    "collector.read",
    "collector.met_bodies",
    "collector.told",
    "collector.event",
    "collector.meaning",
    "collector.bytestream",
    "collector.connections",
    "collector.tcp",
    "collector.packets",
    "collector.capture_file",
    "streams.zigzag",
    "streams.event_text",
    "streams.half",
    "streams.scratch",
    "streams.transaction_row",
    "streams.proved",
    "streams.transaction",
    "streams.collectors",
    "streams.pairing",
    "streams.kpi_cells",
    "streams.kpi_counts",
    "streams.records",
    "streams.kpi_delta",
    "streams.kpi_sight",
    "streams.kpi_tokens",
    "streams.kpi_slots",
    "streams.kpi_windows",
    "collector.ring",
    "collector.sockets",
)
KEEPER = "collector/tls_keeper"  # a program of its own; collector/tls_keeper.py does without
# No debug information and no symbols: a wheel of 0.3 MB instead of 1.9 MB. Calls into CPython without a detour: a
# twentieth of the decoder.
FLAGS = ["-O2", "-g0", "-w", "-fno-plt"]
DIRECTIVES = {"language_level": 3, "binding": False}  # functions that nobody inspects: a quarter less C, cheaper calls
ERRORS = 3  # Cython's level: its hints about code that only runs uncompiled are noise to who installs


def modules() -> list[str]:
    """Return the modules of COMPILED whose source stands in the working directory."""
    return [name for name in COMPILED if os.path.exists(_path(name))]  # noqa: PTH110


def _path(name: str) -> str:
    return name.replace(".", "/") + ".py"


def extensions(annotate: bool = False) -> list[Extension]:
    """Return the extension modules, translated to C; none, said in one line, where that cannot be done."""
    if os.environ.get("SBISCOPE_PURE"):
        print("sbiscope: SBISCOPE_PURE is set; nothing is compiled, decoding is 30 to 100 times slower")
        return []
    if not (shutil.which("cc") or shutil.which("gcc")):
        print(
            "sbiscope: no C compiler (cc, gcc) found; nothing is compiled, decoding is 30 to 100 times slower",
            file=sys.stderr,
        )
        return []
    from Cython.Build import cythonize
    from Cython.Compiler import Errors

    Errors.LEVEL = ERRORS
    cores = len(os.sched_getaffinity(0))
    units = [Extension(name, [_path(name)], extra_compile_args=FLAGS, extra_link_args=["-s"]) for name in modules()]
    how = {"build_dir": "build/cython", "annotate": annotate, "quiet": True, "nthreads": cores}
    return list(cythonize(units, compiler_directives=DIRECTIVES, **how))


class BuildExt(build_ext):  # type: ignore[misc]  # setuptools ships no types
    """setuptools' build_ext with the modules of COMPILED."""

    def initialize_options(self) -> None:
        """Translate before setuptools looks at the list."""
        if not self.distribution.ext_modules:
            self.distribution.ext_modules = extensions()
        super().initialize_options()

    def build_extensions(self) -> None:
        """Compile them, and the keeper: with the C library in it, half the memory."""
        super().build_extensions()
        try:
            objects = self.compiler.compile([f"{KEEPER}.c"], self.build_temp, extra_postargs=FLAGS)
            self.compiler.link_executable(objects, KEEPER, self.build_lib, extra_postargs=["-static", "-s"])
        except (CompileError, LinkError) as error:
            print(f"sbiscope: {KEEPER}.c is not compiled: {error}; Python takes 6 MB for it", file=sys.stderr)

    def copy_extensions_to_source(self) -> None:
        """Put them where their sources stand."""
        super().copy_extensions_to_source()
        built = os.path.join(self.build_lib, KEEPER)  # noqa: PTH118
        if os.path.exists(built):  # noqa: PTH110
            self.copy_file(built, KEEPER)


def main() -> None:
    """Compile in place, for the checkout (`make build`)."""
    found = extensions(annotate="--annotate" in sys.argv)
    if found:
        command = BuildExt(Distribution({"name": "sbiscope", "ext_modules": found}))
        command.inplace = True
        command.parallel = len(os.sched_getaffinity(0))
        command.ensure_finalized()
        command.run()
        print(f"sbiscope: {len(found)} modules are compiled")


if __name__ == "__main__":
    main()
