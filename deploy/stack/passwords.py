"""The front's two users and their passwords: random, in one file for the stack's owner alone."""

import hashlib
import json
import os
import secrets

from deploy.stack.layout import Layout
from schemas.refusal import Refusal

WRITER, READER = "sbiscope", "reader"


def passwords(place: Layout) -> dict[str, str]:
    """Return the passwords by user; raises Refusal when they cannot be read."""
    try:
        found = json.loads(place.passwords.read_text())
        return {WRITER: str(found[WRITER]), READER: str(found[READER])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        advice = "the stack belongs to the user who started it"
        raise Refusal("cannot read the stack's passwords", str(place.passwords), advice) from error


def made(place: Layout) -> dict[str, str]:
    """Return the passwords, made where there are none yet."""
    if not place.passwords.exists():
        beside = place.passwords.with_suffix(f".{os.getpid()}")
        text = json.dumps({WRITER: secrets.token_urlsafe(24), READER: secrets.token_urlsafe(24)}) + "\n"
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(text)
        beside.rename(place.passwords)
    return passwords(place)


def digests(place: Layout) -> dict[str, str]:
    """Return what the front's process is given of the passwords: they are random and long, no slow digest is needed."""
    return {user: hashlib.sha256(password.encode()).hexdigest() for user, password in made(place).items()}
