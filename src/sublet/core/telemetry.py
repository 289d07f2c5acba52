"""Structured logs and metrics. Secrets are never given to them; known secret keys are cut out all the same."""

import logging
import sys
from functools import partial
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace
from prometheus_client import Counter, Gauge, Histogram

from sublet.core.context import afterwards, request_id
from sublet.core.crashes import describe

SECRET_KEYS = frozenset(
    {"password", "token", "secret", "cookie", "authorization", "private_key", "join_token", "api_key"}
)

requests_total = Counter("sublet_http_requests_total", "HTTP requests served", ["method", "route", "status"])
request_seconds = Histogram("sublet_http_request_seconds", "Time to answer a request", ["method", "route"])
allocation_transitions_total = Counter(
    "sublet_allocation_transitions_total", "Allocation state changes", ["previous", "state"]
)
provision_seconds = Histogram(
    "sublet_provision_seconds", "From launch to active", buckets=(0.25, 0.5, 1, 1.5, 2, 3, 5, 8, 13, 30, 60)
)
worker_tick_seconds = Histogram("sublet_worker_tick_seconds", "Time of one periodic task", ["task"])
worker_failures_total = Counter("sublet_worker_failures_total", "Tasks that raised", ["task"])
work_seconds = Histogram(
    "sublet_work_seconds",
    "Time of one look at a row of leased work, by what came of it",
    ["work", "outcome"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
work_wait_seconds = Histogram(
    "sublet_work_wait_seconds",
    "From due to taken by a worker",
    ["work"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
work_overdue = Gauge(
    "sublet_work_overdue", "Rows of leased work that fail, were set aside, or are due and taken by nobody", ["work"]
)
open_websockets = Gauge("sublet_open_websockets", "Open WebSockets", ["channel"])


def _add_ids(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    identifier = request_id.get()
    if identifier is not None:
        event.setdefault("request_id", identifier)
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = f"{span.trace_id:032x}"
    return event


def _cut_secrets(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    for key in event.keys() & SECRET_KEYS:
        event[key] = "[cut]"
    return event


_describe_exceptions = structlog.processors.ExceptionRenderer(lambda exc_info: describe(exc_info[1]))
_shared: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_ids,
    _cut_secrets,
]


def formatter(log_format: str) -> logging.Formatter:
    """Writes a record as one JSON object (or readable lines); of exceptions only what `crashes.describe` tells."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _describe_exceptions, renderer],
    )


def _log_crash(kind: type[BaseException], error: BaseException, frames: TracebackType | None) -> None:
    """What ends a process goes to the log too, and not past its rules."""
    if issubclass(kind, Exception):
        get_logger(__name__).critical("process.crashed", error=kind.__name__, exc_info=(kind, error, frames))
    else:
        sys.__excepthook__(kind, error, frames)


def configure_logging(*, log_format: str = "json", level: str = "INFO") -> None:
    """Send structlog and the standard library's logs to stderr, one JSON object (or readable line) each."""
    structlog.configure(
        processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(log_format))
    sys.excepthook = _log_crash
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("asyncssh", "httpcore", "httpx", "uvicorn.access", "stripe", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # For debugging it writes down every header and frame of a WebSocket: cookies, and what is typed into terminals.
    logging.getLogger("uvicorn.error").setLevel(max(root.level, logging.INFO))


def log_failure(log: structlog.stdlib.BoundLogger, event: str, error: BaseException, /, **facts: object) -> None:
    """Write down that something failed, with its frames; while a session is open, once it has ended.

    Frames are read and written for a while under load, and others may wait for what the session has locked.
    """
    afterwards(partial(log.error, event, exc_info=error, **facts))


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose calls take an event name and keyword facts: `log.info("node.enrolled", node=node_id)`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


# Until a process says how it logs, and in a program that never does: without what structlog adds where a terminal's
# libraries are installed, which is every local value of every frame.
structlog.configure(processors=[*_shared, _describe_exceptions, structlog.dev.ConsoleRenderer(colors=False)])
