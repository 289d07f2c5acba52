"""What is known about the request or task that is being worked on: its id, and whether it may have committed."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served (`req_…`), or None outside of one."""

_commits: ContextVar[list[None] | None] = ContextVar("commits", default=None)


def begin_request() -> None:
    """From here on, in this task and those that it starts, nothing has been committed."""
    _commits.set([])


def note_commit() -> None:
    """Say that a transaction is about to commit."""
    commits = _commits.get()
    if commits is not None and not commits:
        commits.append(None)


def may_have_committed() -> bool:
    """Whether any transaction of the request has committed, or was lost while it did."""
    return bool(_commits.get())
