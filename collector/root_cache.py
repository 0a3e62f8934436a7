"""Files kept between starts that only root can have written: what a privileged process takes from them is its own.

Everything on the way is checked: each directory from the root of the file system down, and the file, belong to root
and cannot be written by others; no symbolic link is followed at the end. Who is not root may read, never write.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

ROOT_USER = 0
OTHERS_WRITE = 0o022
MOST_BYTES = 16_777_216
MOST_FILES = 8  # of one kind; a kernel or a release later the older ones are of no use


class RootCache:
    """The files of one kind, `KIND-NAME`, in a directory."""

    def __init__(self, directory: Path, kind: str) -> None:
        """Nothing is looked at yet."""
        self._directory = directory
        self._kind = kind

    def get(self, name: str) -> bytes | None:
        """Return what was kept; None where there is nothing, or anybody else may have written it."""
        try:
            directory = self._open()
        except OSError:
            return None
        try:
            return _read(f"{self._kind}-{name}", directory)
        except OSError:
            return None
        finally:
            os.close(directory)

    def keep(self, name: str, octets: bytes) -> bool:
        """Keep it for later starts where that is possible, and tell whether it was."""
        if os.geteuid() != ROOT_USER:
            return False
        try:
            with suppress(FileExistsError):
                self._directory.mkdir()
                self._directory.chmod(0o755)  # who is not root reads it too; a service's umask would say no
            directory = self._open()
        except OSError:
            return False
        try:
            _write(f"{self._kind}-{name}", octets, directory)
            self._forget_older(directory)
        except OSError:
            return False
        finally:
            os.close(directory)
        return True

    def _open(self) -> int:
        """Return a descriptor of the directory. Raises OSError: there is none, or others may change it."""
        place = self._directory.absolute()
        for above in place.parents:
            _check(above.lstat(), allow_sticky=True)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _check(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _forget_older(self, directory: int) -> None:
        files = [file for file in os.listdir(directory) if file.startswith(f"{self._kind}-")]
        files.sort(key=lambda file: os.stat(file, dir_fd=directory, follow_symlinks=False).st_mtime_ns)
        for file in files[:-MOST_FILES]:
            with suppress(FileNotFoundError):
                os.unlink(file, dir_fd=directory)


def _check(found: os.stat_result, allow_sticky: bool = False) -> None:
    """Raise PermissionError where others than root may have written; in a sticky directory each has only its own."""
    is_closed = not found.st_mode & OTHERS_WRITE or (allow_sticky and found.st_mode & stat.S_ISVTX)
    if found.st_uid != ROOT_USER or not is_closed:
        raise PermissionError("others than root may write it")


def _read(file: str, directory: int) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        _check(found)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise PermissionError("it is no file of its own")
        return opened.read(MOST_BYTES)


def _write(file: str, octets: bytes, directory: int) -> None:
    draft = f"{file}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o644, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(opened.fileno(), 0o644)
            opened.write(octets)
        os.replace(draft, file, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:  # a full disk: it would be in the way of a later one
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=directory)
        raise
