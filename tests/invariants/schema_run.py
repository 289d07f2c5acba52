"""Runs schemathesis over a served application and collects every answer that is not what the document promises."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Timer
from typing import Any

import httpx
import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.engine.core import EventStream
from schemathesis.generation.case import Case
from schemathesis.hooks import unregister

PHASES = ("examples", "coverage", "fuzzing", "stateful")
CHECKS = (
    "errors_are_problems",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "use_after_free",
    "ensure_resource_availability",
    "unsupported_method",
    "allow_header_conformance",
)
LONGEST_SECONDS = 300.0
"""A run takes a tenth of it; this is for a machine that does much else."""
NOT_OURS = frozenset({"payments_not_configured"})
"""The codes that an answer of 502 or 503 may have: a remote part that this installation does not have."""


def broken_promise(status: int, content_type: str, body: bytes, request_id: str | None) -> str | None:
    """Why an answer of 4xx or 5xx is not a problem as we promise it; None for one that is, and for other answers."""
    if status < 400:
        return None
    if content_type != "application/problem+json":
        return f"{status} with {content_type}"
    if not body and status == 405:
        return None  # HEAD carries no body
    try:
        problem = json.loads(body)
    except ValueError:
        return f"{status} whose body is not JSON"
    if not isinstance(problem, dict):
        return f"{status} whose body is not an object"
    wrong = [name for name in ("type", "title", "detail", "code", "request_id") if not problem.get(name)]
    if problem.get("status") != status:
        wrong.append("status")
    if problem.get("request_id") != request_id:
        wrong.append("X-Request-Id")
    if wrong:
        return f"{status} without a right {', '.join(wrong)}"
    if status >= 500 and not (status in {502, 503} and problem["code"] in NOT_OURS):
        return f"{status} {problem['code']}"
    return None


@schemathesis.check
def errors_are_problems(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every refusal is a problem with a code and the request's id, and nothing fails on our side."""
    content_type = (response.headers.get("content-type") or [""])[0].partition(";")[0]
    request_id = (response.headers.get("x-request-id") or [""])[0]
    if broken := broken_promise(response.status_code, content_type, response.content, request_id):
        raise Failure(operation=case.operation.label, title="A broken promise", message=broken)


@dataclass
class Outcome:
    """What a run sent and found."""

    seed: int
    requests: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[int]] = field(default_factory=dict)
    linked: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def answered(self, label: str, below: int = 300) -> int:
        """How many requests of an operation were answered with less than the given status."""
        return sum(count for status, count in self.answers.get(label, Counter()).items() if status < below)

    def add(self, event: events.ScenarioFinished) -> None:
        """Count a scenario, and keep what failed in it with the request that shows it."""
        for case_id, node in event.recorder.cases.items():
            label = node.value.operation.label
            interaction = event.recorder.interactions.get(case_id)
            if interaction is None or interaction.response is None:
                continue
            self.requests += 1
            self.phases[event.phase.value.lower()] += 1
            status = interaction.response.status_code
            self.answers.setdefault(label, Counter())[status] += 1
            if node.is_transition_applied and status < 300:
                self.linked[label] += 1
            for check in event.recorder.checks.get(case_id, []):
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    content = (interaction.response.content or b"")[:300]
                    self.failures.append(
                        f"{label} [{event.phase.value}] {check.name}: {failure.title}: {failure.message[:300]}\n"
                        f"  {check.failure_info.code_sample[:600]}\n  {status} {content!r}"
                    )


def with_links(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the links that every `/things/{id}` has to the routes that make and list things."""
    paths = document["paths"]
    for path, operations in paths.items():
        collection, parameter, _ = path.partition("/{")
        name = _.partition("}")[0] if parameter else None
        if name is None or collection not in paths:
            continue
        for target in operations.values():
            for source in paths[collection].values():
                for status, answer in source["responses"].items():
                    pointer = _pointer_to_id(document, answer) if status.startswith("2") else None
                    if pointer is not None:
                        answer.setdefault("links", {})[target["operationId"]] = {
                            "operationId": target["operationId"],
                            "parameters": {f"path.{name}": f"$response.body#{pointer}"},
                        }
    return document


def _pointer_to_id(document: dict[str, Any], answer: dict[str, Any]) -> str | None:
    reference = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    properties = document["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {})
    if "items" in properties:
        return "/items/0/id"
    if "id" in properties:
        return "/id"
    return "/node/id" if "node" in properties else None


def with_examples(document: dict[str, Any], examples: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The document with a good value as another choice for what random text never is: keys, ids, times."""
    for name, properties in examples.items():
        of_schema = document["components"]["schemas"][name]["properties"]
        for property_name, value in properties.items():
            of_schema[property_name] = {"anyOf": [{"const": value}, of_schema[property_name]]}
    return document


def run(
    url: str,
    *,
    headers: Mapping[str, str],
    permissions: Collection[str],
    seed: int,
    max_examples: int = 6,
    phases: Collection[str] = PHASES,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
    spared: Collection[str] = (),
) -> Outcome:
    """Every operation whose `x-permission` is among the given ones, in every phase; blocks until done.

    `spared` are ids that never stand in a path, so that the run does not end its own credential.
    """
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": url,
            "headers": dict(headers),
            "continue-on-failure": True,
            "request-timeout": 20.0,
            "generation": {"max-examples": max_examples, "database": "none", "no-shrink": True},
            "phases": {
                **{name: {"enabled": name in phases} for name in PHASES},
                "coverage": {"enabled": "coverage" in phases, "unexpected-methods": []},
                "stateful": {
                    "enabled": "stateful" in phases,
                    "max-steps": 6,
                    "generation": {"max-examples": 3 * max_examples},
                },
            },
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        }
    )
    document = httpx.get(f"{url}/openapi.json", timeout=20).raise_for_status().json()
    whole = schemathesis.openapi.from_dict(with_links(with_examples(document, examples or {})), config=config)

    wanted = set(permissions)
    schema = whole.include(lambda context: context.operation.definition.raw.get("x-permission") in wanted)
    outcome = Outcome(seed)
    stream = from_schema(schema).execute()
    with _sparing(spared), _ending(stream, outcome):
        for event in stream:
            if isinstance(event, events.ScenarioFinished):
                outcome.add(event)
            elif isinstance(event, events.NonFatalError):
                outcome.failures.append(f"{event.label}: {event.value!r}")
            elif isinstance(event, events.FatalError):
                raise event.exception
    return outcome


@contextmanager
def _ending(stream: EventStream, outcome: Outcome) -> Iterator[None]:
    def late() -> None:
        outcome.failures.append(f"not done after {LONGEST_SECONDS} s")
        stream.stop()

    timer = Timer(LONGEST_SECONDS, late)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _sparing(spared: Collection[str]) -> Iterator[None]:
    def before_call(context: Any, case: Case[Any], kwargs: Any) -> None:
        for name, value in case.path_parameters.items():
            if value in spared:
                case.path_parameters[name] = "somebody_elses"

    schemathesis.hook(before_call)
    try:
        yield
    finally:
        unregister(before_call)
