"""Holds a fake server to console/openapi.json: what it is asked, and what it answers.

The document says more of the server than the server promises to clients: an object has the named fields and no others.
So a field that only the fake has is a fault too.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

DOCUMENT = Path(__file__).parents[2] / "console" / "openapi.json"
_METHODS = ("get", "post", "patch", "put", "delete")
_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(one) for name, one in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def _document() -> Any:
    return _closed(json.loads(DOCUMENT.read_text(encoding="utf-8")))


@cache
def _operations() -> list[tuple[str, "re.Pattern[str]", Any]]:
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item[method])
        for path, item in _document()["paths"].items()
        for method in _METHODS
        if method in item
    ]


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole = {**json.loads(schema), "components": _document()["components"]}
    return Draft202012Validator(whole, format_checker=_formats)


def _faults(what: str, schema: Any, value: Any) -> list[str]:
    errors = _validator(json.dumps(schema, sort_keys=True)).iter_errors(value)
    return [f"{what}{error.json_path.removeprefix('$')}: {error.message}" for error in errors]


def drift(
    method: str, path: str, *, query: Mapping[str, str], body: Any, sent: bool, status: int, answer: Any
) -> list[str]:
    """How a request and its answer differ from the document; nothing where they agree.

    A body that the server refuses may be anything. One that it takes must fit.
    """
    operation = next((one for kind, pattern, one in _operations() if kind == method and pattern.fullmatch(path)), None)
    if operation is None:
        return [f"{method} {path} is not in the document"]
    known = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
    found = [f"the query has {name}" for name in query if name not in known]
    asked = operation.get("requestBody")
    if asked is None and sent and body != {}:
        found.append("there is a body where none is expected")
    if asked is not None and status < 400:
        found += _faults("body", asked["content"]["application/json"]["schema"], body)
    response = operation["responses"].get(str(status)) or operation["responses"].get(f"{status // 100}XX")
    if response is None:
        found.append(f"{status} is no answer of it")
    else:
        found += [
            fault
            for name, kind in response.get("content", {}).items()
            if name.endswith("json")
            for fault in _faults("answer", kind["schema"], answer)
        ]
    return [f"{method} {path}: {fault}" for fault in found]
