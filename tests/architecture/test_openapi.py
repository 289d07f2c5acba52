"""Rules that the whole HTTP surface keeps, read from the application's own OpenAPI document."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from tests.architecture.openapi import presentation_fields, routes_without_permission


class TestEveryRoute:
    def test_names_its_permission(self, openapi: dict[str, Any]) -> None:
        assert len(openapi["paths"]) > 30
        assert routes_without_permission(openapi["paths"]) == []

    def test_an_open_route_is_caught(self) -> None:
        app = FastAPI()
        router = APIRouter()
        router.add_api_route("/api/v1/open", lambda: None)
        app.include_router(router)
        assert routes_without_permission(app.openapi()["paths"])

    def test_carries_no_presentation(self, openapi: dict[str, Any]) -> None:
        assert presentation_fields(openapi["components"]["schemas"]) == []

    @pytest.mark.parametrize("field", ["color", "bg", "icon", "badge_color", "class_name"])
    def test_a_presentation_field_is_caught(self, field: str) -> None:
        assert presentation_fields({"Sku": {"properties": {field: {"type": "string"}}}})
