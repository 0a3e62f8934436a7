"""Where the pseudonym key comes from: the configured file, else one made for this user and kept."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from collector.pseudonym import KEY_BYTES, Pseudonyms, plmns_of
from schemas.config import Collector
from schemas.refusal import Refusal

LONGEST = 4_096


def pseudonyms_of(config: Collector, say: Callable[[str], object] = lambda _: None) -> Pseudonyms:
    """Return the pseudonyms as configured; `say` is told, once, where a key was made.

    Raises Refusal: the key file cannot be read, lets others read it, or is too short.
    """
    key = None if config.plain_identifiers else key_of(config.pseudonym_key_file, say)
    return Pseudonyms(key, config.pseudonym_key_id, plmns_of(config.plmns))


def past_pseudonyms_of(config: Collector) -> list[Pseudonyms]:
    """Return the pseudonyms under the keys used before. Raises Refusal: a pair that is none, or a key as `read_key`."""
    found = []
    for pair in filter(None, (one.strip() for one in config.pseudonym_past_keys.split(","))):
        key_id, equals, path = pair.partition("=")
        if not equals or not path:
            raise Refusal("collector.pseudonym_past_keys holds no pair", pair, "write k1=/path/of/k1.key, k2=…")
        found.append(Pseudonyms(read_key(Path(path)), key_id, plmns_of(config.plmns), cached=1))
    return found


def key_of(path: str, say: Callable[[str], object] = lambda _: None) -> bytes:
    """Return the key in the file `path`; "" means the user's own, which is made if there is none."""
    return read_key(Path(path)) if path else _own_key(_own_place(), say)


def read_key(path: Path) -> bytes:
    """Return the key in a file: its octets without white space around them."""
    advice = f"name a file of at least {KEY_BYTES} random octets as collector.pseudonym_key_file"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Refusal("cannot read the pseudonym key", f"{path}: {error.strerror}", advice) from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise Refusal("the pseudonym key is no file", str(path), advice)
        if about.st_mode & stat.S_IRWXO:
            seen = f"{path} has mode {stat.S_IMODE(about.st_mode):04o}"
            raise Refusal("everybody may read the pseudonym key", seen, "chmod o-rwx it")
        key = os.read(descriptor, LONGEST).strip()
    finally:
        os.close(descriptor)
    if len(key) < KEY_BYTES:
        raise Refusal("the pseudonym key is too short", f"{path}: {len(key)} octets", advice)
    return key


def _own_place() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "sbiscope" / "pseudonym.key"


def _own_key(path: Path, say: Callable[[str], object]) -> bytes:
    try:
        if is_new := not path.exists():
            _make(path)
    except (OSError, RuntimeError) as error:
        advice = "name a key file as collector.pseudonym_key_file"
        raise Refusal("cannot make a pseudonym key", f"{path}: {error}", advice) from error
    if is_new:
        say(f"made a pseudonym key: {path}; agents that hold the same file give equal pseudonyms")
    return read_key(path)


def _make(path: Path) -> None:
    """Write a random key of mode 0600 whole, or leave the one that another process made meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES).hex().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
