"""What became of a request: its outcome as a table over how its halves ended, its status and the verdict inside.

Names as in the enumeration Outcome of sbi_transaction_batch.avsc; the numbers are its indices.
"""

import enum
from dataclasses import dataclass

from schemas.fields import enum_symbols
from schemas.sbi.verdicts import is_failure


class Outcome(enum.IntEnum):
    """What became of a request."""

    SUCCESS = 0
    REDIRECT = 1
    BUSINESS = 2  # an error status that is a normal answer
    CLIENT_ERROR = 3
    SERVER_ERROR = 4
    HIDDEN_FAILURE = 5  # a failure told inside a 2xx
    UNANSWERED = 6  # nothing came before the deadline, and we saw everything
    LATE = 7  # an answer came, after the deadline
    RESET = 8  # the stream or the connection was ended first
    UNKNOWN = 9  # we may have missed what became of it


class Ended(enum.IntEnum):
    """How a half ended, as in sbi_event_batch.avsc."""

    COMPLETE = 0
    RESET = 1
    GOAWAY = 2
    CLOSED = 3
    GAP = 4
    TIMEOUT = 5
    MALFORMED = 6
    EVICTED = 7


# No answer is known to have come by the deadline, and nothing was lost: by how the request ended.
WITHOUT_ANSWER: dict[Ended, Outcome] = {
    Ended.COMPLETE: Outcome.UNANSWERED,
    Ended.RESET: Outcome.RESET,  # RFC 9113 6.4
    Ended.GOAWAY: Outcome.RESET,  # RFC 9113 6.8: a stream above the last one was not processed
    Ended.CLOSED: Outcome.RESET,
    Ended.GAP: Outcome.UNKNOWN,  # what was missed may have been the cause
    Ended.TIMEOUT: Outcome.UNKNOWN,  # it never became a whole request
    Ended.MALFORMED: Outcome.UNKNOWN,  # RFC 9113 8.1.1: to be answered by a reset, which we did not see
    Ended.EVICTED: Outcome.UNKNOWN,  # the observer looked away
}

# The stream ended before any header of an answer: by how it ended.
BROKEN_OFF: dict[Ended, Outcome] = {
    Ended.COMPLETE: Outcome.UNKNOWN,
    Ended.RESET: Outcome.RESET,
    Ended.GOAWAY: Outcome.RESET,
    Ended.CLOSED: Outcome.RESET,
    Ended.GAP: Outcome.UNKNOWN,
    Ended.TIMEOUT: Outcome.UNKNOWN,
    Ended.MALFORMED: Outcome.UNKNOWN,
    Ended.EVICTED: Outcome.UNKNOWN,
}

CUT_OFF = frozenset({Ended.RESET, Ended.GOAWAY, Ended.CLOSED})


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operation's normal error statuses are judged by; None where it is not known."""

    method: str | None = None
    service: str | None = None
    operation: str | None = None
    cause: str | None = None


ANY = Asked()

# Causes of a 404 that tell of something other than what was to go: the URI or the subscriber was wrong (TS 29.500
# 5.2.7.2, TS 29.503, 29.512), which no clean-up explains.
NOT_GONE = frozenset({
    "RESOURCE_URI_STRUCTURE_NOT_FOUND", "USER_NOT_FOUND", "USER_UNKNOWN", "GROUP_IDENTIFIER_NOT_FOUND",
})  # fmt: skip

# Error statuses that are normal answers: (status, what must be so). Kept out of error ratios, per operation.
BUSINESS: tuple[tuple[int, Asked], ...] = (
    (304, ANY),  # RFC 9110 15.4.5: a conditional request whose copy is still good
    (412, Asked(method="GET")),  # RFC 9110 15.5.13: the same, told the other way
    (404, Asked(method="DELETE")),  # what is to be removed is gone already
    (404, Asked(operation="Nsmf_PDUSession_ReleaseSMContext")),  # TS 29.502 5.2.2.4, after a clean-up
    (404, Asked(service="nudm-sdm", method="GET", cause="DATA_NOT_FOUND")),  # TS 29.503 5.2.2: optional data
)


def is_business(status: int, asked: Asked) -> bool:
    """Tell whether `status` is a normal answer to what was asked."""
    if status == 404 and asked.cause in NOT_GONE:
        return False
    return any(status == one and _fits(asked, wanted) for one, wanted in BUSINESS)


def _fits(asked: Asked, wanted: Asked) -> bool:
    return (
        wanted.method in {None, asked.method}
        and wanted.service in {None, asked.service}
        and wanted.operation in {None, asked.operation}
        and wanted.cause in {None, asked.cause}
    )


def of_answer(status: int, ended: int, result: str | None, asked: Asked) -> Outcome:
    """Return the outcome of a request that was answered in time; `status` -1 = not readable.

    `result`: the verdict in the answer's body.
    """
    if status < 0:
        return Outcome.RESET if ended in CUT_OFF else Outcome.UNKNOWN
    if is_business(status, asked):
        return Outcome.BUSINESS
    if status >= 500:
        return Outcome.SERVER_ERROR
    if status >= 400:
        return Outcome.CLIENT_ERROR
    if ended in CUT_OFF:  # its body never came whole; an error status says what it says all the same
        return Outcome.RESET
    if status >= 300:
        return Outcome.REDIRECT
    if result is not None and is_failure(result):
        return Outcome.HIDDEN_FAILURE
    return Outcome.SUCCESS


def version_of(outcome: Outcome, answered: bool) -> int:
    """Return the rank of a row: what is known of the answer beats what is known of its absence, that beats nothing."""
    if answered:
        return 2
    return 0 if outcome is Outcome.UNKNOWN else 1


assert tuple(one.name.lower() for one in Outcome) == enum_symbols("sbi_transaction_batch", "Outcome")
assert tuple(one.name.lower() for one in Ended) == enum_symbols("sbi_event_batch", "Ended")
