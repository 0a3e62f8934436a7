# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The two parts of a URI by which a resource is known again: its authority and its path."""

import re

import cython

_URI = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//([^/?#]*)([^?#]*)", re.IGNORECASE)
_HOST_FIRST = re.compile(r"([^/?#\s]+\.[^/?#\s]+(?::[0-9]+)?|\[[0-9a-f:.]+\](?::[0-9]+)?)(/[^?#]*)", re.IGNORECASE)
LONGEST = 512  # of what is learned
CACHED = 4_096  # URIs remembered
LONGEST_CACHED = 256  # of those, and ASCII as URIs are (RFC 3986)
_split: dict[str, tuple[str, str] | None] = cython.declare(dict, {})


def split_uri(uri: str) -> tuple[str, str] | None:
    """Return (authority, path) of a URI; authority "" if it is relative, None if it is no locator (urn:…).

    OAI writes locators without a scheme: host/path.
    """
    if len(uri) > LONGEST:
        return None
    if uri in _split:
        return _split[uri]
    split = _split_now(uri)
    if len(uri) <= LONGEST_CACHED and uri.isascii():
        if len(_split) >= CACHED:
            _split.clear()
        _split[uri] = split
    return split


@cython.cfunc
def _split_now(uri: str) -> tuple[str, str] | None:
    if uri.startswith("/") and not uri.startswith("//"):
        return "", resource_of(uri)
    found = _URI.match(uri) or _HOST_FIRST.match(uri)
    return (found[1].lower(), resource_of(found[2])) if found else None


def authority_of(root: str | None) -> str | None:
    """Return host and port of an apiRoot, `http://smf1:8080/prefix`, or of a bare authority."""
    if not root:
        return None
    found = _URI.match(root)
    return (found[1] if found else root.partition("/")[0]).lower() or None


def resource_of(path: str) -> str:
    """Return a path without query, fragment and trailing slash."""
    if "?" in path or "#" in path:
        path = path.partition("?")[0].partition("#")[0]
    return path.rstrip("/") if path.endswith("/") else path
