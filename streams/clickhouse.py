"""The one place that opens ClickHouse clients, and tells bad rows from a server that is away."""

import logging
import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error
from urllib3.exceptions import HTTPError

from schemas.refusal import Refusal
from schemas.refused_contact import advice_for

# What clickhouse-connect raises, whatever went wrong; OSError covers sockets and TLS.
FAILURES = (Error, HTTPError, OSError)

# The client also logs what it raises; without a handler Python would print that beside our one line.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())

PLACE = re.compile(r"\{\w+:[^}]+\}")  # where the server binds a parameter

# What a reader may use. readonly=1 also denies the table functions that read files or the network.
READER_LIMITS = {
    "max_execution_time": 60,
    "max_result_rows": 10_000_000,
    "max_memory_usage": 4_000_000_000,
    "readonly": 1,  # last: behind it no setting may be changed
}

# Error codes that are the rows' fault: the same bytes fail for ever (ClickHouse src/Common/ErrorCodes.cpp).
BAD_ROWS = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        8,  # THERE_IS_NO_COLUMN
        20,  # NUMBER_OF_COLUMNS_DOESNT_MATCH
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        36,  # BAD_ARGUMENTS
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        44,  # ILLEGAL_COLUMN
        50,  # UNKNOWN_TYPE
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        636,  # CANNOT_EXTRACT_TABLE_STRUCTURE
        691,  # UNKNOWN_ELEMENT_OF_ENUM
        1001,  # STD_EXCEPTION: what the server's Avro reader throws
    }
)


@dataclass(frozen=True, slots=True)
class Account:
    """A ClickHouse server and who we are there.

    `url` is http://host:port, https://host:port (then `ca_location` may name the certificate authority's file),
    or chdb:///directory: the engine in this process, for tests and tools. `limited`: the account may write, so every
    request asks for the reader's limits itself; an account that is a reader on the server must not ask for any.
    """

    url: str
    database: str
    user: str = "default"
    password: str = field(default="", repr=False)
    ca_location: str = ""
    limited: bool = False


def connect(account: Account, database: str | None = None) -> Client:
    """Return a client of `account`, its default database `database` (default: the account's).

    Raises Refusal when the server is away or refuses the account. Requests carry no session: they may overlap.
    """
    settings = READER_LIMITS if account.limited else {}
    chosen = account.database if database is None else database
    try:
        if account.url.startswith("chdb://"):
            return get_client(interface="chdb", path=urlsplit(account.url).path, database=chosen, settings=settings)
        secure, host, port = _address(account.url)
        if secure:
            _check_authority(account.ca_location)
        client = get_client(
            host=host,
            port=port,
            secure=secure,
            username=account.user,
            password=account.password,
            database=chosen,
            ca_cert=account.ca_location or None,
            client_name="sbiscope",
            compress="lz4",
            settings=settings,
            autogenerate_session_id=False,
            connect_timeout=5,
            send_receive_timeout=300,
            query_retries=1,
        )
        # urllib3 would send again by itself what broke off over TLS, an insert too, and of one in pieces only the rest
        client.http_retries = 0
    except FAILURES as error:
        raise away(account, error) from error
    else:
        return client


def _check_authority(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path or None)
    except OSError as error:
        seen = f"{path}: {error.strerror or error}"
        raise Refusal("cannot use clickhouse.ca_location", seen, "name a file of PEM certificates") from error


def _address(url: str) -> tuple[bool, str, int]:
    """Return (TLS, host, port) of a server's address; raises Refusal, in which a password in it does not appear."""
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc:
            secure = parts.scheme == "https"
            return secure, parts.hostname, parts.port or (8443 if secure else 8123)
    except ValueError:
        pass  # as wrong as any other address
    seen = url.rpartition("@")[2]
    raise Refusal("not a ClickHouse address", seen, "write http://host:8123; user and password have their own keys")


def away(account: Account, error: BaseException) -> Refusal:
    """Return the refusal that says why `account`'s server could not be used."""
    seen = f"{account.url} as {account.user}: {said(error)}"
    rights = f"give {account.user} its rights (schemas/clickhouse/README.md)"
    advice = advice_for(seen, "clickhouse.ca_location", "clickhouse.user and its password", rights)
    return Refusal("ClickHouse cannot be used", seen, advice or "is it up, is clickhouse.url right?")


def is_bad_rows(error: BaseException) -> bool:
    """Tell whether `error` is the rows' fault and would come back for ever; all else is retried."""
    return isinstance(error, Error) and error.code in BAD_ROWS


def said(error: BaseException) -> str:
    """Return what the server said of an error: one line, without stack trace, version and our own address."""
    text = str(error).strip()
    found = re.search(r"(?:Code: \d+\. )?DB::Exception: (.*)", text, re.DOTALL)
    text = found.group(1) if found else text
    unreached = re.search(r"Caused by \w+\([\"'](?:\S*Connection.*?[)>]: )?(.+?)[\"']\)", text)
    text = unreached.group(1) if unreached else text
    text = re.sub(r"(\. Expected one of: | In scope )(?s:.*?)(\([A-Z_]+\))?\s*$", r" \2", text)
    text = re.sub(r"\s*\(version [^()]*(\([^()]*\))?[^()]*\)\s*$", "", text)
    return re.sub(r"\s+", " ", text).strip()[:500] or type(error).__name__


def rows(client: Client, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of one query, `parameters` bound to its {name:Type} places."""
    return [tuple(row) for row in client.query(sql, parameters=placed(sql, parameters)).result_rows]


def placed(sql: str, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the parameters for a query with {name:Type} places, None for one without.

    Given any, the client would take the percent signs of a query without places (LIKE '%…') for places of Python.
    """
    return parameters if PLACE.search(sql) else None
