"""What a program of the tests tells of an exchange that it had."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """One exchange as a program tells of it; `client_port` 0: it does not tell, and has one connection."""

    client_port: int
    method: str
    path: str
    status: int
    request_bytes: int
    response_bytes: int
