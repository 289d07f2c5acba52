"""Exit codes, which scripts may rely on."""

from enum import IntEnum


class Exit(IntEnum):
    """Why a command ended."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTH = 4
    CONFLICT = 5
    FUNDS = 6
    NO_CAPACITY = 7
    TIMED_OUT = 8
    INTERRUPTED = 130


FUNDS_CODES = frozenset({"insufficient_funds", "spending_limit_reached"})
CAPACITY_CODES = frozenset({"no_capacity", "insufficient_capacity", "capacity_unavailable"})

_BY_STATUS = {
    400: Exit.USAGE,
    401: Exit.AUTH,
    402: Exit.FUNDS,
    403: Exit.AUTH,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
    422: Exit.USAGE,
}


def exit_of(code: str, status: int = 500) -> Exit:
    """The exit code of an error's stable code, or else of its status."""
    if code in FUNDS_CODES:
        return Exit.FUNDS
    if code in CAPACITY_CODES:
        return Exit.NO_CAPACITY
    if code == "idempotency_key_reused":
        return Exit.CONFLICT
    return _BY_STATUS.get(status, Exit.FAILURE)
