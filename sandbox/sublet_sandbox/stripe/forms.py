"""Form bodies with nested keys, as the SDK sends them: `line_items[0][price_data][currency]=usd`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sublet_sandbox.stripe.errors import refused

_KEY = re.compile(r"(?P<head>[^\[\]]+)(?P<rest>(?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
MAX_FIELDS = 1000


def decode(text: str) -> dict[str, Any]:
    """Nest the pairs of a form or query; mappings with the keys 0, 1, … become lists."""
    root: dict[str, Any] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise refused(f"The request has more than {MAX_FIELDS} parameters.") from None
    for key, value in pairs:
        match = _KEY.fullmatch(key)
        if match is None:
            raise refused(f"Received a parameter with a malformed name: {key}", param=key)
        parts = [match["head"], *_PART.findall(match["rest"])]
        _place(root, parts, value, key)
    return {name: _listed(value) for name, value in root.items()}


def _place(root: dict[str, Any], parts: list[str], value: str, key: str) -> None:
    here = root
    for part in parts[:-1]:
        step = here.setdefault(part or str(len(here)), {})
        if not isinstance(step, dict):
            raise refused(f"Received {key} both as a value and as an object", param=key)
        here = step
    last = parts[-1] or str(len(here))  # `expand[]=a&expand[]=b` appends
    if isinstance(here.get(last), dict):
        raise refused(f"Received {key} both as a value and as an object", param=key)
    here[last] = value


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    below = {name: _listed(item) for name, item in value.items()}
    if below and set(below) == {str(index) for index in range(len(below))}:
        return [below[str(index)] for index in range(len(below))]
    return below
