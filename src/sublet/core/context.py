"""What this request or task is called in logs, errors and audit events."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being served (`req_…`), or None outside of one."""
