"""Compiles a bench's own loop with Cython where there is a compiler; the same file runs uncompiled too."""

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from deploy.compile import FLAGS

ROOT = Path(__file__).parent.parent.parent


def compiled(module: ModuleType, folder: str) -> ModuleType:
    """Return `module` compiled in `folder`; itself, and a line about it, where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print(f"no C compiler: {module.__name__} runs uncompiled, which costs a sixth", file=sys.stderr)
        return module
    name = module.__name__.rpartition(".")[2]
    source, library = Path(folder) / f"{name}.c", Path(folder) / f"{name}.so"
    cython = [sys.executable, "-m", "cython", "-I", str(ROOT), str(module.__file__), "-o", str(source)]
    subprocess.run(cython, check=True, cwd=ROOT)
    include = f"-I{sysconfig.get_path('include')}"
    subprocess.run([compiler, *FLAGS, "-shared", "-fPIC", include, str(source), "-o", str(library)], check=True)
    loader = importlib.machinery.ExtensionFileLoader(name, str(library))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    made = importlib.util.module_from_spec(spec)
    loader.exec_module(made)
    return made
