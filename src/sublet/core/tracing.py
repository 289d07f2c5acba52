"""Traces: a span for each request, job, tick, node call and processor call.

Every span has ids, so that log lines can be joined; spans are only recorded, and sent by OTLP, when an endpoint is set.
Nothing secret is put into a span: no bodies, no headers, no queries, no messages of exceptions.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import sublet

TRACES_PATH = "/v1/traces"
EXPORT_SECONDS = 3.0
_SERVICE = {"service.name": "sublet", "service.version": sublet.__version__}
_propagator = TraceContextTextMapPropagator()


class _Provider(TracerProvider):
    def _handle_fork(self) -> None:
        # What we fork becomes another program at once. The library would start threads in between, which may wait for
        # ever for a lock that a thread of ours held.
        pass


class _Tracing:
    """The process's provider: one that only gives ids, but between `configure_tracing` and `stop_tracing`."""

    def __init__(self) -> None:
        self.rest()

    def rest(self) -> None:
        self.use(_Provider(sampler=ALWAYS_OFF, resource=Resource(_SERVICE), shutdown_on_exit=False))

    def use(self, provider: TracerProvider) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer("sublet", sublet.__version__)


_tracing = _Tracing()


def configure_tracing(process: str, endpoint: str | None, *, ratio: float = 1.0) -> None:
    """Send this process's spans to an OTLP endpoint (its base address, or the full one of its traces).

    `ratio` of the traces that begin here are sent; one that a caller began is sent if the caller says so.
    """
    if endpoint is None:
        return
    # Only who exports pays for loading this.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + TRACES_PATH
    provider = _Provider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource({**_SERVICE, "service.instance.id": process}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)))
    _tracing.use(provider)


def stop_tracing() -> None:
    """Send what is still waiting, and no span that begins later; at the end of a process."""
    _tracing.provider.shutdown()
    _tracing.rest()


def traceparent() -> str | None:
    """What continues the current trace elsewhere (W3C Trace Context), or None outside of one."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def _parent(value: str | None) -> Context | None:
    return None if value is None else _propagator.extract({"traceparent": value}, Context())


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: str | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> Iterator[Span]:
    """A span around a block; `parent` is a traceparent from elsewhere. An exception marks it, by its type only."""
    started = _tracing.tracer.start_span(name, _parent(parent), kind, attributes)
    token = otel_context.attach(trace.set_span_in_context(started))
    try:
        yield started
    except Exception as error:
        if started.is_recording():
            started.set_attribute("error.type", type(error).__name__)
            started.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        otel_context.detach(token)
        started.end()


class ServerSpan:
    """The span of one HTTP request or WebSocket, continued from the caller's traceparent if there is one."""

    __slots__ = ("_span", "_token")

    def __init__(self, scope: Mapping[str, Any]) -> None:
        given = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
        parent = None if given is None else _parent(given.decode("latin-1"))
        # Named by its route at the end: what a client typed may be anything.
        self._span = _tracing.tracer.start_span(_method(scope), parent, SpanKind.SERVER)
        self._token = otel_context.attach(trace.set_span_in_context(self._span))

    def end(self, scope: Mapping[str, Any], route: str, status: int, request_id: str) -> None:
        """Name it and let it go."""
        otel_context.detach(self._token)
        if self._span.is_recording():
            self._span.update_name(f"{_method(scope)} {route}")
            self._span.set_attributes(
                {
                    "http.request.method": _method(scope),
                    "http.route": route,
                    "http.response.status_code": status,
                    "sublet.request_id": request_id,
                }
            )
            if status >= 500:
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _method(scope: Mapping[str, Any]) -> str:
    return str(scope["method"]) if scope["type"] == "http" else "WS"
