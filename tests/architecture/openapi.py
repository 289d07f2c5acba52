"""Rules of the HTTP surface, from the application's own OpenAPI document."""

import re
from typing import Any

from tests.architecture.source import Violation

METHODS = frozenset({"get", "post", "put", "patch", "delete"})
PRESENTATION = re.compile(
    r"^(colou?r|bg|background|icon|css|style|class_?name|theme|badge|variant|emoji)(_.*)?$|_(colou?r|icon|css|style)$"
)


def presentation_fields(schemas: dict[str, dict[str, Any]]) -> list[Violation]:
    """The API never carries presentation: no colour, icon or style in any schema of the OpenAPI document."""
    return [
        Violation(name, 0, f"`{field}` is presentation; say what is the case, and let the console choose how it looks")
        for name, schema in schemas.items()
        for field in schema.get("properties", ())
        if PRESENTATION.search(field)
    ]


def routes_without_permission(paths: dict[str, dict[str, Any]]) -> list[Violation]:
    """Every operation says which permission it asks for, or that it is public."""
    return [
        Violation(path, 0, f"{method} asks for no permission; make the route with the domain's router and name one")
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in METHODS and "x-permission" not in operation
    ]
