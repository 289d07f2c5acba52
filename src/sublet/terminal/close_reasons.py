"""Why a terminal ends, in a form that becomes an error frame and a close code."""

from sublet.core import websockets

NORMAL = 1000
BAD_FRAME = 1008
NOT_FOUND = 4404
NOT_ACTIVE = 4409
IDLE = 4411
TOO_MANY = websockets.TOO_MANY
NODE_FAILED = 4502


class TerminalEnded(Exception):
    """The terminal is to be closed with this code; `error_code` is None when nothing went wrong."""

    def __init__(self, close_code: int, error_code: str | None, message: str) -> None:
        super().__init__(message)
        self.close_code = close_code
        self.error_code = error_code
        self.message = message


def bad_frame(message: str) -> TerminalEnded:
    """The client sent something that the protocol does not allow."""
    return TerminalEnded(BAD_FRAME, "bad_frame", message)


def session_ended() -> TerminalEnded:
    """The person signed out, was disabled, or lost the right to connect."""
    return TerminalEnded(
        websockets.UNAUTHENTICATED,
        "session_ended",
        "Your sign-in has ended, so this terminal was closed. Programs started with nohup or tmux go on.",
    )


def not_active(why: str) -> TerminalEnded:
    """The allocation cannot be logged in to now; `why` is a sentence."""
    return TerminalEnded(
        NOT_ACTIVE,
        "allocation_not_active",
        f"{why} A terminal opens while the allocation is active.",
    )
