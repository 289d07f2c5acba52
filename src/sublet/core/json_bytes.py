"""An answer that is JSON already."""

import json
from typing import Any, Self

from starlette.responses import Response

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class JsonBytes(Response):
    """JSON as bytes, sent as they are; a test holds them against the route's `response_model`."""

    media_type = "application/json"

    def __init__(self, content: bytes, status_code: int = 200) -> None:
        self.status_code = status_code
        self.background = None
        self.body = content
        self.raw_headers = [(b"content-length", b"%d" % len(content)), (b"content-type", b"application/json")]

    @classmethod
    def of(cls, value: Any, status_code: int = 200) -> Self:
        """Strings, whole numbers, booleans and nulls in lists and objects, written compactly as UTF-8."""
        return cls(_ENCODER.encode(value).encode(), status_code)
