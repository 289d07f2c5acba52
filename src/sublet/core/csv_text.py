"""Lists and reports as CSV: a heading for each field, amounts as decimals with their currency beside them."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from sublet.core.money import MoneyField

CSV_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""What a route adds to its answers that may be asked for as CSV."""

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How text begins that a spreadsheet would take for a formula: an apostrophe before it keeps it text."""


def csv_answer(name: str, lines: Iterable[BaseModel]) -> Response:
    """The lines as a file of that name."""
    return Response(
        csv_text(lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def csv_text(lines: Iterable[BaseModel]) -> str:
    """The lines of a report; nothing for a report without any."""
    rows = [dict(_fields(line)) for line in lines]
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def _fields(line: BaseModel) -> Iterator[tuple[str, Any]]:
    amounts: Mapping[str, MoneyField] = {
        name: value for name in type(line).model_fields if isinstance(value := getattr(line, name), MoneyField)
    }
    for name in type(line).model_fields:
        value = getattr(line, name)
        yield name, value.amount if isinstance(value, MoneyField) else _plain(value)
    if amounts:
        yield "currency", next(iter(amounts.values())).currency


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
