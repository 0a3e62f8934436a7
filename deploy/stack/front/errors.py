"""How an error reaches the client: its number in a header, its text in the body, in mid-result behind a mark."""

from aiohttp import web

from deploy.stack.front.engine import EngineError, refused

TAG = "X-ClickHouse-Exception-Tag"

# ClickHouse's number → HTTP status; every other one is 500.
STATUS = {
    6: 400,  # CANNOT_PARSE_TEXT
    27: 400,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    33: 400,  # CANNOT_READ_ALL_DATA
    36: 400,  # BAD_ARGUMENTS
    46: 404,  # UNKNOWN_FUNCTION
    47: 404,  # UNKNOWN_IDENTIFIER
    48: 501,  # NOT_IMPLEMENTED
    60: 404,  # UNKNOWN_TABLE
    62: 400,  # SYNTAX_ERROR
    81: 404,  # UNKNOWN_DATABASE
    115: 400,  # UNKNOWN_SETTING
    117: 400,  # INCORRECT_DATA
    159: 408,  # TIMEOUT_EXCEEDED
    164: 403,  # READONLY
    194: 401,  # REQUIRED_PASSWORD
    202: 503,  # TOO_MANY_SIMULTANEOUS_QUERIES
    354: 400,  # ZLIB_INFLATE_FAILED
    372: 404,  # SESSION_NOT_FOUND
    373: 409,  # SESSION_IS_LOCKED
    456: 400,  # UNKNOWN_QUERY_PARAMETER
    457: 400,  # BAD_QUERY_PARAMETER
    497: 403,  # ACCESS_DENIED
    516: 403,  # AUTHENTICATION_FAILED
}


def response(error: EngineError, headers: dict[str, str]) -> web.Response:
    """Return the answer for an error before any row was sent."""
    headers = {**headers, "X-ClickHouse-Exception-Code": str(error.code)}
    if error.code == 194:
        headers["WWW-Authenticate"] = 'Basic realm="sbiscope"'
    return web.Response(text=f"{error}\n", status=STATUS.get(error.code, 500), headers=headers)


def foreign(header: str) -> EngineError:
    """Return the error for a request that a foreign page or name brought here."""
    return refused(497, "ACCESS_DENIED", f"Requests with this {header} are not answered here")


def amid(error: EngineError, tag: str) -> bytes:
    """Return what ends a result that breaks off, as ClickHouse 25.11 and newer write it; `tag` stood in a header."""
    message = str(error).encode("utf-8", "replace")
    frame = "\r\n__exception__\r\n"
    return f"{frame}{tag}\r\n".encode() + message + f"\n{len(message) + 1} {tag}{frame}".encode()
