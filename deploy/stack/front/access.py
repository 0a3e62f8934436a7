"""Who may ask: programs of this machine, by name and password, and no page of a browser from elsewhere."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from aiohttp import web

from deploy.stack.front.engine import EngineError, refused


def foreign(request: web.Request, port: int, scheme: str) -> str | None:
    """Return the header for which a request is refused: a name or an origin that is not this front (DNS rebinding)."""
    ours = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if request.headers.get("Host", "").lower() not in ours:
        return "Host"
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in {f"{scheme}://{one}" for one in ours}:
        return "Origin"
    return "Sec-Fetch-Site" if request.headers.get("Sec-Fetch-Site") == "cross-site" else None


def user(request: web.Request, digests: Mapping[str, str]) -> str:
    """Return the user who asks. Raises EngineError without a password (194) or with a wrong one (516)."""
    name, password = _given(request)
    if not name or password is None:
        raise refused(194, "REQUIRED_PASSWORD", "Password required")
    expected = digests.get(name)
    if not hmac.compare_digest(hashlib.sha256(password.encode()).hexdigest(), expected or "") or expected is None:
        raise wrong(name)
    return name


def wrong(name: str) -> EngineError:
    """Return the error of a wrong password; whether there is such a user is not said."""
    return refused(516, "AUTHENTICATION_FAILED", f"{name}: Authentication failed: password is incorrect")


def _given(request: web.Request) -> tuple[str, str | None]:
    """Return name and password from ClickHouse's own headers, Basic, or the address."""
    headers = request.headers
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key")
    kind, _, text = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", None
        return name, password if colon else None
    return request.query.get("user", ""), request.query.get("password")
